"""Rules about what a chapter contains: title, sections, length, exercises. See CONTRIBUTING.md."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chapter import Cell, Chapter, label, output_texts, rule, tags

MIN_WORDS, MAX_WORDS = 1_500, 4_000
GRADES = ("★", "★★", "★★★")

# Headings (level 2 or deeper) that every chapter has, in this order.
SECTIONS = {
    "Objectives": r"objectives|what you will (learn|be able to do)",
    "Recall": r"recall",
    "Exercises": r"exercises",
    "Key takeaways": r"takeaways",
    "Quiz": r"quiz",
    "Further reading": r"further reading",
    "Next": r"next",
}
FIRST_PAPER_CHAPTER = (
    7  # from here on chapters repeat measurements of the papers, and say so in "Paper and us"
)


def headings(chapter: Chapter) -> list[str]:
    return [
        heading.strip()
        for cell in chapter.markdown
        for heading in re.findall(r"^#{2,6}\s+(.+)$", without_code(cell["source"]), flags=re.MULTILINE)
    ]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def prose_words(text: str) -> int:
    """Words a reader reads: no code, formulas, addresses, or directive lines."""
    text = without_code(text)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"^\s*(:{3,}|:[a-z-]+:).*$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)|<[^>]+>|`[^`]*`|https?://\S+", " ", text)
    return len(re.findall(r"[A-Za-z][\w'’-]*", text))


@rule
def title(chapter: Chapter) -> Iterator[str]:
    """The first cell opens with the number by hand: '# 8. The bijection wind tunnel'."""
    first = chapter.cells[0]["source"] if chapter.cells else ""
    if not re.match(rf"# {int(chapter.number)}\. \S", first):
        yield f"the first cell must begin with '# {int(chapter.number)}. Title', begins with {first[:40]!r}"
    others = [
        line
        for cell in chapter.markdown[1:]
        for line in re.findall(r"^# .+", without_code(cell["source"]), re.M)
    ]
    for line in others:
        yield f"only the title is a level-1 heading: {line!r}"


@rule
def words(chapter: Chapter) -> Iterator[str]:
    """A chapter has 1,500 to 4,000 words."""
    count = sum(prose_words(cell["source"]) for cell in chapter.markdown)
    if not MIN_WORDS <= count <= MAX_WORDS:
        yield f"{count:,} words, must be {MIN_WORDS:,} to {MAX_WORDS:,}"


@rule
def sections(chapter: Chapter) -> Iterator[str]:
    """The parts of a chapter are there, in order."""
    found = headings(chapter)
    wanted = dict(SECTIONS)
    if int(chapter.number) >= FIRST_PAPER_CHAPTER:
        wanted["Paper and us"] = r"paper and us"
    places = {
        name: next((i for i, heading in enumerate(found) if re.search(pattern, heading, re.I)), None)
        for name, pattern in wanted.items()
    }
    for name, place in places.items():
        if place is None:
            yield f"no heading for {name!r}"
    order = [(places[name], name) for name in SECTIONS if places[name] is not None]
    if order != sorted(order):
        yield f"sections must come in the order {list(SECTIONS)}, are {[name for _, name in sorted(order)]}"


@rule
def folded(chapter: Chapter) -> Iterator[str]:
    """Colon fences only: Colab shows a directive in backquotes as code."""
    for cell in chapter.markdown:
        for line in re.findall(r"^```\{.*$", cell["source"], flags=re.MULTILINE):
            yield f"{label(cell)}: write {line!r} with colons, not backquotes"
        opened = len(re.findall(r"^:{3,}\{", cell["source"], flags=re.MULTILINE))
        closed = len(re.findall(r"^:{3,}\s*$", cell["source"], flags=re.MULTILINE))
        if opened != closed:
            yield f"{label(cell)}: {opened} colon fences are opened and {closed} closed"


# ---------------------------------------------------------------- exercises


def exercise_ids(chapter: Chapter) -> list[str]:
    """Ids such as 01-a of the exercises, in order, from their labels."""
    return [
        name
        for cell in chapter.markdown
        if "{exercise}" in cell["source"]
        for name in re.findall(r"^:label: ex-(\S+)", cell["source"], flags=re.MULTILINE)
    ]


def solution_cell(chapter: Chapter, name: str) -> Cell | None:
    return next((c for c in chapter.code if c["source"].startswith(f"#@title Solution {name}\n")), None)


def stub_cell(chapter: Chapter, name: str) -> Cell | None:
    """The cell in which the reader writes the answer."""
    return next(
        (
            cell
            for cell in chapter.code
            if re.search(rf"check\(\s*[\"']{re.escape(name)}[\"']", cell["source"])
            and "solution" not in tags(cell)
        ),
        None,
    )


@rule
def exercises(chapter: Chapter) -> Iterator[str]:
    """Exercises of three grades, each with minutes, two hints, a stub that is not answered, and a solution that passes."""
    markdown = [cell for cell in chapter.markdown if "{exercise}" in cell["source"]]
    grades = set()
    for cell in markdown:
        heading = re.search(r"^:{3,}\{exercise\}(.*)$", cell["source"], flags=re.MULTILINE)
        names = re.findall(r"^:label: ex-(\S+)", cell["source"], flags=re.MULTILINE)
        if len(names) != 1 or not re.fullmatch(rf"{chapter.number}-[a-z]", names[0]):
            yield f"{label(cell)}: needs one ':label: ex-{chapter.number}-a', has {names}"
            continue
        stars = re.search(r"★+", heading[1] if heading else "")
        if stars is None or stars[0] not in GRADES:
            yield f"{label(cell)}: the exercise's title must carry ★, ★★ or ★★★"
        else:
            grades.add(stars[0])
        if not re.search(r"\d+\s*min", cell["source"]):
            yield f"{label(cell)}: say how many minutes the exercise takes"
        if len(re.findall(r"\{dropdown\} Hint \d|<summary>Hint \d", cell["source"])) < 2:
            yield f"{label(cell)}: needs at least two folded hints, '<details><summary>Hint 1</summary>' and 'Hint 2'"
        yield from stub_and_solution(chapter, names[0])
    for grade in GRADES:
        if grade not in grades:
            yield f"no exercise of grade {grade}"
    known = set(exercise_ids(chapter))
    for cell in chapter.code:
        for name in re.findall(r"\bcheck\(\s*[\"']([^\"']+)[\"']", cell["source"]):
            if name not in known:
                yield f"{label(cell)}: checks {name!r}, which no exercise is labelled with"


def stub_and_solution(chapter: Chapter, name: str) -> Iterator[str]:
    stub, solution = stub_cell(chapter, name), solution_cell(chapter, name)
    if stub is None:
        yield f'exercise {name}: no cell with check("{name}", ...) to answer it in'
    elif "..." not in stub["source"] or "not answered yet" not in "".join(output_texts(stub)):
        yield f"exercise {name}: the answer cell must hold '...' and its output say 'not answered yet'"
    if solution is None:
        yield f"exercise {name}: no code cell that begins with '#@title Solution {name}'"
        return
    if not {"solution", "hide-cell"} <= set(tags(solution)):
        yield f"exercise {name}: the solution needs the tags solution and hide-cell"
    meta = solution.get("metadata", {})
    if meta.get("cellView") != "form" or not meta.get("jupyter", {}).get("source_hidden"):
        yield f'exercise {name}: the solution needs metadata "cellView": "form" and "jupyter": {{"source_hidden": true}}'
    if not re.search(rf"check\(\s*[\"']{re.escape(name)}[\"']", solution["source"]):
        yield f'exercise {name}: the solution must call check("{name}", ...)'
    if "✓" not in "".join(output_texts(solution)):
        yield f"exercise {name}: the solution's stored output has no tick ✓"
    order = [chapter.cells.index(cell) for cell in (stub, solution) if cell is not None]
    if order != sorted(order):
        yield f"exercise {name}: the solution must come after the answer cell"
