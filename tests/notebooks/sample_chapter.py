"""A small chapter that keeps every rule of the lint, for tests that break one rule at a time."""

from typing import Any

from chapter import Chapter
from site_setting import Site

SITE = Site("someone/some-book", "v1.2.3")
ALT = "Bars of equal height for five colours, then one bar alone"
WORDS = "Count the mornings before you divide them. " * 230


def markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": f"c08-{name}", "metadata": {}, "source": source}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def code(
    name: str,
    source: str,
    outputs: list[dict[str, Any]] | None = None,
    tags: list[str] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    if tags:
        metadata["tags"] = tags
    return {
        "cell_type": "code",
        "id": f"c08-{name}",
        "metadata": metadata,
        "execution_count": None,
        "source": source,
        "outputs": outputs or [],
    }


def exercise(letter: str, stars: str) -> list[dict[str, Any]]:
    name = f"08-{letter}"
    text = f"""::::{{exercise}} Boxes {stars}, 5 min
:label: ex-{name}

How many?

:::{{dropdown}} Hint 1
Count.
:::

<details><summary>Hint 2</summary>

Count again.

</details>
::::"""
    return [
        markdown(f"ex-{letter}", text),
        code(
            f"answer-{letter}",
            f'answer = ...\ncheck("{name}", answer)',
            [stream(f"{name}: not answered yet\n")],
        ),
        code(
            f"solution-{letter}",
            f'#@title Solution {name}\ncheck("{name}", 5)',
            [stream(f"✓ {name}\n")],
            ["solution", "hide-cell"],
            cellView="form",
            jupyter={"source_hidden": True},
        ),
    ]


def sample() -> Chapter:
    """The chapter, built anew at each call."""
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0KGgo=", "text/plain": ALT},
        "metadata": {"image/png": {"alt": ALT}},
    }
    page = {
        "output_type": "execute_result",
        "data": {"text/html": "<p>5</p>", "text/plain": "5"},
        "metadata": {},
    }
    cells = [
        markdown("title", "# 8. Boxes\n\nA promise."),
        code("install", SITE.install_cell),
        markdown("objectives", "## Objectives\n\n" + WORDS),
        markdown("recall", "## Recall\n\nThree questions."),
        code("imports", "import torch\n\nfrom tutorlib.figures import show"),
        code("count", 'print("5 boxes")', [stream("5 boxes\n")]),
        code("draw", "show(figure, alt=text)", [picture], mystnb={"image": {"alt": ALT}}),
        code("explore", "explorer", [page]),
        code("live", "print(loss)", [stream("0.123\n")], ["nbval-ignore-output"]),
        markdown("paper", "## Paper and us\n\n| paper | us |\n|---|---|\n| 1 | 1 |"),
        markdown("exercises", "## Exercises"),
        *exercise("a", "★"),
        *exercise("b", "★★"),
        *exercise("c", "★★★"),
        markdown("end", "## Key takeaways\n\n1. Count.\n\n## Quiz"),
        markdown("last", "## Further reading\n\nA book.\n\n## Next\n\nMore."),
        code("versions", "print(torch.__version__)", [stream("2\n")], ["nbval-ignore-output", "hide-input"]),
    ]
    count = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
            for output in cell["outputs"]:
                if output["output_type"] == "execute_result":
                    output["execution_count"] = count
    raw = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return Chapter("08_boxes", raw, 20_000, SITE)
