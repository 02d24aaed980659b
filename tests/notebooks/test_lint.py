"""Every chapter is in form, and every rule of the lint is able to complain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chapter import RULES, Chapter, load_chapter
from notebook_lint import lint, main
from sample_chapter import SITE, markdown, sample, stream

Break = Callable[[Chapter], Any]


def test_chapter_is_in_form(notebook: Path) -> None:
    complaints = lint(load_chapter(notebook))
    assert not complaints, "\n".join(complaints)


def test_the_sample_is_in_form() -> None:
    assert lint(sample()) == []


def cell(chapter: Chapter, name: str) -> dict[str, Any]:
    return next(cell for cell in chapter.cells if cell["id"] == f"c08-{name}")


def source(name: str, text: str) -> Break:
    return lambda chapter: cell(chapter, name).update(source=text)


def replace(name: str, old: str, new: str) -> Break:
    def change(chapter: Chapter) -> None:
        assert old in cell(chapter, name)["source"]
        cell(chapter, name)["source"] = cell(chapter, name)["source"].replace(old, new)

    return change


def output(name: str, *outputs: dict[str, Any]) -> Break:
    return lambda chapter: cell(chapter, name).update(outputs=list(outputs))


def meta(name: str, **values: Any) -> Break:
    return lambda chapter: cell(chapter, name)["metadata"].update(values)


def html(text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/html": text}, "metadata": {}}


def picture(chapter: Chapter) -> dict[str, Any]:
    return cell(chapter, "draw")["outputs"][0]


def new_alt(text: str) -> Break:
    def change(chapter: Chapter) -> None:
        picture(chapter)["metadata"]["image/png"]["alt"] = text
        cell(chapter, "draw")["metadata"]["mystnb"]["image"]["alt"] = text

    return change


def drop(name: str) -> Break:
    return lambda chapter: chapter.cells.remove(cell(chapter, name))


BREAKS: list[tuple[str, str, Break]] = [
    ("valid", "nbformat must be 4.5", lambda c: c.raw.update(nbformat_minor=4)),
    ("valid", "not a valid notebook", lambda c: cell(c, "count").update(outputs=[{"output_type": "shout"}])),
    ("ids", "needs an id", lambda c: cell(c, "count").pop("id")),
    ("ids", "needs an id", lambda c: cell(c, "count").update(id="a1b2c3d4")),
    ("ids", "occurs twice", lambda c: cell(c, "count").update(id="c08-draw")),
    ("metadata", "kernelspec", lambda c: c.raw["metadata"]["kernelspec"].update(name="conda-env-py")),
    (
        "metadata",
        "language_info.version",
        lambda c: c.raw["metadata"]["language_info"].update(version="3.11.7"),
    ),
    ("metadata", "'widgets'", lambda c: c.raw["metadata"].update(widgets={})),
    ("metadata", "'execution'", meta("count", execution={"iopub.execute_input": "2026"})),
    (
        "metadata",
        "widget view",
        output(
            "count",
            {
                "output_type": "display_data",
                "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"},
                "metadata": {},
            },
        ),
    ),
    ("size", "the notebook has", lambda c: setattr(c, "size", 400_001)),
    ("size", "an HTML output has", output("explore", html("x" * 200_001))),
    ("counts", "execution count is None", lambda c: cell(c, "draw").update(execution_count=None)),
    ("counts", "execution count is 9", lambda c: cell(c, "count").update(execution_count=9)),
    ("outputs", "calls print", output("count")),
    ("outputs", "ends in an expression", output("explore")),
    ("outputs", "calls show", output("draw")),
    ("outputs", "cannot be parsed", lambda c: cell(c, "count").update(source="print(", outputs=[])),
    (
        "errors",
        "ended in ValueError",
        output("count", {"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}),
    ),
    ("errors", "stderr", output("count", stream("UserWarning: beware\n", "stderr"))),
    (
        "ignored",
        "at most 3",
        lambda c: [cell(c, n)["metadata"].update(tags=["nbval-ignore-output"]) for n in ("count", "draw")],
    ),
    ("ignored", "is not one of", meta("count", tags=["nbval-skip"])),
    ("ignored", "not an nbval comment", replace("count", "print", "# NBVAL_IGNORE_OUTPUT\nprint")),
    ("ignored", "must print the versions", drop("versions")),
    ("ignored", "must print the versions", meta("versions", tags=["hide-input"])),
    ("code_length", "41 lines", source("count", "print(5)\n" * 41)),
    ("code_length", "semicolon", replace("explore", "explorer", "explorer;")),
    ("code_length", "the median", lambda c: [x.update(source="a = 1\n" * 9) for x in c.code]),
    ("install", "must be exactly", replace("install", "v1.2.3", "v1.2.4")),
    ("install", "must be exactly", replace("install", "someone/some-book", "someone/another-book")),
    ("install", "must have the id", lambda c: cell(c, "install").update(id="c08-setup")),
    ("title", "must begin with '# 8. ", source("title", "# Boxes")),
    ("title", "only the title", source("recall", "# Recall\n\nThree.")),
    ("words", "words, must be", source("objectives", "## Objectives\n\nFew words.")),
    (
        "words",
        "words, must be",
        lambda c: cell(c, "objectives").update(source="## Objectives\n\n" + "word " * 4000),
    ),
    ("sections", "'Objectives'", replace("objectives", "## Objectives", "## Hello")),
    ("sections", "'Recall'", drop("recall")),
    ("sections", "'Exercises'", drop("exercises")),
    ("sections", "'Key takeaways'", replace("end", "Key takeaways", "Summary")),
    ("sections", "'Quiz'", replace("end", "Quiz", "Game")),
    ("sections", "'Further reading'", replace("last", "Further reading", "Books")),
    ("sections", "'Next'", replace("last", "## Next", "## Outlook")),
    ("sections", "'Paper and us'", drop("paper")),
    ("sections", "in the order", lambda c: c.cells.insert(1, c.cells.pop(c.cells.index(cell(c, "last"))))),
    ("folded", "with colons", source("recall", "## Recall\n\n```{note}\nx\n```")),
    ("folded", "fences are opened", source("recall", "## Recall\n\n:::{note}\nx\n")),
    ("exercises", "needs one ':label:", replace("ex-a", ":label: ex-08-a", ":label: boxes")),
    ("exercises", "must carry", replace("ex-a", "★", "easy")),
    ("exercises", "no exercise of grade ★★★", replace("ex-c", "★★★", "★★")),
    ("exercises", "how many minutes", replace("ex-a", "5 min", "short")),
    ("exercises", "at least two folded hints", replace("ex-a", "Hint 2", "More")),
    ("exercises", "no cell with check", drop("answer-a")),
    ("exercises", "not answered yet", output("answer-a", stream("✓ 08-a\n"))),
    ("exercises", "not answered yet", replace("answer-a", "...", "5")),
    ("exercises", "begins with '#@title Solution 08-a'", drop("solution-a")),
    ("exercises", "needs the tags", meta("solution-a", tags=["solution"])),
    ("exercises", "needs metadata", meta("solution-a", cellView="code")),
    ("exercises", "must call check", replace("solution-a", "check(", "print(")),
    ("exercises", "no tick", output("solution-a", stream("✗ 08-a: too many\n"))),
    ("exercises", "which no exercise", replace("solution-a", '"08-a"', '"08-z"')),
    (
        "exercises",
        "must come after",
        lambda c: c.cells.insert(11, c.cells.pop(c.cells.index(cell(c, "solution-a")))),
    ),
    ("images", "2 pictures", lambda c: cell(c, "draw")["outputs"].append(picture(c))),
    ("images", "fewer than five words", new_alt("A chart")),
    ("images", "file or object name", new_alt("<Figure size 640x480 with 1 Axes>")),
    ("images", "says only that", new_alt("A plot of the loss over the steps")),
    ("images", "mystnb.image.alt", lambda c: cell(c, "draw")["metadata"].clear()),
    ("images", "fewer than five words", source("recall", "## Recall\n\n![](../book/_static/a.png)")),
    ("images", "fewer than five words", source("recall", '## Recall\n\n<img src="../a.png">')),
    (
        "remote",
        "another host",
        source("title", "# 8. Boxes\n\n[![Open this in Colab now](https://x.org/b.svg)](https://x.org)"),
    ),
    (
        "remote",
        "another host",
        source("recall", '## Recall\n\n<img alt="five words are enough here" src="https://x.org/a.png">'),
    ),
    ("remote", "another host", output("explore", html('<script src="https://cdn.x.org/d3.js"></script>'))),
    ("remote", "another host", output("explore", html("<link rel=stylesheet href=https://x.org/a.css>"))),
    (
        "remote",
        "another host",
        output("explore", html("<style>@font-face{src:url(https://x.org/a.woff)}</style>")),
    ),
    (
        "remote",
        "another host",
        output("explore", html("<script type=module>import('https://x.org/a.js')</script>")),
    ),
    ("remote", "another host", output("explore", html("<script>fetch('//x.org/data.json')</script>"))),
    ("machine_paths", "'/home/ada'", output("count", stream("/home/ada/book/chapters\n"))),
    ("machine_paths", "'/tmp/run'", source("count", 'print(open("/tmp/run"))')),
]


@pytest.mark.parametrize(
    ("name", "message", "change"), BREAKS, ids=[f"{b[0]}-{i}" for i, b in enumerate(BREAKS)]
)
def test_rule_complains(name: str, message: str, change: Break) -> None:
    chapter = sample()
    change(chapter)
    complaints = lint(chapter, [name])
    assert any(message in complaint for complaint in complaints), complaints


def test_every_rule_is_proved() -> None:
    assert {name for name, _, _ in BREAKS} == set(RULES)


def test_links_and_namespaces_are_no_assets() -> None:
    chapter = sample()
    cell(chapter, "recall")["source"] += (
        " See [the paper](https://arxiv.org/abs/2512.22471), https://example.org."
    )
    cell(chapter, "explore")["outputs"] = [
        html('<svg xmlns="http://www.w3.org/2000/svg"><a href="https://x.org">x</a></svg>')
    ]
    assert lint(chapter) == []


def test_an_early_chapter_needs_no_paper() -> None:
    chapter = sample()
    chapter.cells.remove(cell(chapter, "paper"))
    assert lint(chapter, ["sections"])
    chapter.name = "01_boxes"
    assert not lint(chapter, ["sections"])


def test_the_command_reports_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    path = tmp_path / "08_boxes.ipynb"
    chapter = sample()
    chapter.cells.append(markdown("more", "## More\n\n![](https://x.org/a.png)"))
    path.write_text(json.dumps(chapter.raw))
    assert main([str(path)]) == 1
    said = capsys.readouterr().out
    assert "remote:" in said
    assert "install:" in said, "the command reads the site from pyproject, not the sample's"
    assert SITE.repository not in said
