"""Every exercise has a check; right answers pass it, typical wrong ones are refused with the hint that fits."""

from pathlib import Path

import pytest

from tutorlib.course import CHECKS, check

from chapter import load_chapter, output_texts
from lint_form import exercise_ids, solution_cell

LEAST_WRONG_ANSWERS = 3


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_right_answer_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(name, CHECKS[name].correct())
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_wrong_answers_get_their_hint(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = CHECKS[name].wrong
    assert len(wrong) >= LEAST_WRONG_ANSWERS
    assert len({fragment for _, fragment in wrong}) >= LEAST_WRONG_ANSWERS, (
        "each mistake has a hint of its own"
    )
    for make, fragment in wrong:
        verdict = CHECKS[name].judge(make())
        assert not verdict.ok, f"accepted the wrong answer that should say {fragment!r}"
        assert fragment in verdict.message
        check(name, make())
        said = capsys.readouterr().out
        assert fragment in said
        assert "✓" not in said


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_an_open_answer_is_no_mistake(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(name, ...)
    said = capsys.readouterr().out
    assert "not answered yet" in said
    assert "✗" not in said


def test_every_exercise_of_a_chapter_has_its_check(notebook: Path) -> None:
    chapter = load_chapter(notebook)
    registered = {name for name in CHECKS if name.startswith(f"{chapter.number}-")}
    assert set(exercise_ids(chapter)) == registered


def test_no_check_without_a_chapter(root: Path) -> None:
    numbers = {path.name[:2] for path in (root / "chapters").glob("*.ipynb")}
    assert {name[:2] for name in CHECKS} <= numbers


def test_stored_solutions_carry_the_tick(notebook: Path) -> None:
    chapter = load_chapter(notebook)
    for name in exercise_ids(chapter):
        cell = solution_cell(chapter, name)
        assert cell is not None
        assert f"{name}" in "".join(output_texts(cell))
        assert "✓" in "".join(output_texts(cell))
