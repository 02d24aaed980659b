"""Rules about pictures, addresses and paths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chapter import Chapter, label, output_texts, rule

# ---------------------------------------------------------------- pictures and addresses


@rule
def images(chapter: Chapter) -> Iterator[str]:
    """A cell shows at most one picture, with a text that says what is to be seen; the book gets the same text."""
    for cell in chapter.code:
        pictures = [
            (kind, output)
            for output in cell.get("outputs", [])
            for kind in ("image/png", "image/jpeg", "image/svg+xml")
            if kind in output.get("data", {})
        ]
        if len(pictures) > 1:
            yield f"{label(cell)}: {len(pictures)} pictures, at most one a cell"
        for kind, output in pictures:
            alt = output.get("metadata", {}).get(kind, {}).get("alt", "")
            if problem := poor_alt(alt):
                yield f"{label(cell)}: the picture's alt text {problem}: {alt!r} (tutorlib.figures.show)"
            if cell.get("metadata", {}).get("mystnb", {}).get("image", {}).get("alt") != alt:
                yield f"{label(cell)}: metadata mystnb.image.alt must repeat the output's alt text (make chapters)"
    for cell in chapter.markdown:
        found = re.findall(r"!\[(.*?)\]\(", cell["source"]) + [
            (re.search(r"\balt=[\"'](.*?)[\"']", tag) or ["", ""])[1]
            for tag in re.findall(r"<img\b[^>]*>", cell["source"])
        ]
        for alt in found:
            if problem := poor_alt(alt):
                yield f"{label(cell)}: an image's alt text {problem}: {alt!r}"


def poor_alt(alt: str) -> str:
    """What is wrong with an alternative text; empty if nothing is."""
    if len(alt.split()) < 5:
        return "has fewer than five words"
    if re.search(r"\.(png|jpe?g|svg)\b|<Figure|AxesSubplot", alt):
        return "is a file or object name"
    if re.match(r"(?i)(an? |the )?(image|picture|figure|plot) of\b", alt):
        return "says only that it is a picture; begin with what is to be seen"
    return ""


REMOTE = re.compile(
    r"""(?xi)
    !\[[^\]]*\]\(\s*<?(https?:)?//                                      # a remote Markdown image
    | <(img|script|iframe|video|audio|source|embed|object)\b[^>]*\b(src|data|srcset)\s*=\s*["']?(https?:)?//
    | <link\b[^>]*\bhref\s*=\s*["']?(https?:)?//
    | <(image|use)\b[^>]*\bhref\s*=\s*["']?(https?:)?//
    | url\(\s*["']?(https?:)?//  |  @import\b[^;]*//
    | \b(fetch|import|importScripts|WebSocket|Worker|EventSource)\s*\(\s*["'`](https?:|wss?:)?//
    | \bfrom\s+["'](https?:)?//  |  \.open\(\s*["']GET["']\s*,\s*["'](https?:)?//
    | ^:{3,}\{(image|figure)\}\s*(https?:)?//
    """,
    re.MULTILINE,
)


@rule
def remote(chapter: Chapter) -> Iterator[str]:
    """Reading a chapter asks no other host for anything. Links to follow are fine, a Colab badge is not."""
    for cell in chapter.cells:
        for text in [cell["source"] if cell["cell_type"] == "markdown" else "", *output_texts(cell)]:
            for match in REMOTE.finditer(text):
                yield f"{label(cell)}: loads something from another host: {text[match.start() : match.end() + 50]!r}"


@rule
def machine_paths(chapter: Chapter) -> Iterator[str]:
    """No path of the machine on which the chapter was executed."""
    path = re.compile(
        r"(?<![\w.:/-])/(?:home|root|Users|tmp|work|mnt|usr|opt|var)/[\w.-]+|\b[A-Z]:\\\\?[A-Za-z]"
    )
    for cell in chapter.cells:
        for text in [cell["source"], *output_texts(cell)]:
            for match in path.finditer(text):
                yield f"{label(cell)}: names a path of a machine: {match[0]!r}"
