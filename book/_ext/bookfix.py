"""Finish the built pages: no request to another host, lighter pages, valid ARIA, and files GitHub Pages needs.

The theme and sphinx-thebe write a few things into every page that cannot be switched off by a setting. They are cut from
the HTML after the build. The patterns depend on the theme's templates; `tests/browser` shows when an upgrade breaks one.
"""

import re
from pathlib import Path

CUTS = [
    # 1.5 MB of JavaScript icons. The web fonts that the theme's style sheet loads already draw every icon used here.
    r"\s*<!-- So that users can add custom icons -->(?=\s*<script[^>]*fontawesome\.js)",
    r"\s*<script[^>]*fontawesome\.js[^>]*></script>",
    r"<link[^>]*rel=\"preload\"[^>]*fontawesome\.js[^>]*>",
    # Live code through Binder: fetched from unpkg.com on a click, and declared twice (a page error).
    r"\s*<script>(?:const|let|var) THEBE_JS_URL.*?</script>",
    r"\s*<script[^>]*sphinx-thebe\.js[^>]*></script>",
    r'\s*<script type="text/x-thebe-config">.*?</script>(?:\s*<script>kernelName = [^<]*</script>)?',
    r"\s*<link[^>]*sphinx-thebe\.css[^>]*/?>",
    # matplotlib's to_jshtml() asks a CDN for an old Font Awesome.
    r"<link rel=\"stylesheet\"\s+href=\"https://maxcdn\.bootstrapcdn\.com/font-awesome[^>]*>",
]
PATTERNS = [re.compile(cut, re.DOTALL) for cut in CUTS]

REPLACE = [
    # docutils marks bibliography entries with a role that ARIA allows only inside a list of another kind.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # sphinx-proof and sphinx-exercise give every box the same id; an id may stand once on a page.
    (r'(<section\b[^>]*?) id="(?:proof|exercise|solution)-content"', r"\1"),
    (
        r'<div class="proof admonition" id="proof">\s*<p>Proof\. ',
        '<div class="proof admonition">\n<p><em>Proof.</em> ',
    ),
]
REPLACEMENTS = [(re.compile(old), new) for old, new in REPLACE]

# A folded solution says what it is. Cells tagged `solution` carry the class `tag_solution`.
SOLUTION = re.compile(r'(<div class="cell [^"]*\btag_solution\b[^"]*">.*?</summary>)', re.DOTALL)

UNUSED = ["*.map", "scripts/fontawesome.js*", "sphinx-thebe.*"]


def clean(html: str) -> str:
    """Return `html` without the cuts above and with the replacements made."""
    for pattern in PATTERNS:
        html = pattern.sub("", html)
    for pattern, new in REPLACEMENTS:
        html = pattern.sub(new, html)
    return SOLUTION.sub(lambda match: match[1].replace("the code", "the solution"), html)


def finish(app, exception):
    """Clean every page of a finished HTML build and remove the files that no page asks for any more."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        before = page.read_text("utf-8")
        after = clean(before)
        if after != before:
            page.write_text(after, "utf-8")
    for pattern in UNUSED:
        for file in (out / "_static").rglob(pattern):
            file.unlink()
    (
        out / ".nojekyll"
    ).touch()  # GitHub Pages drops folders whose name starts with "_" unless this file exists


def setup(app):
    """Register with Sphinx."""
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
