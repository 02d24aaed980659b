"""Every public function and class has an example in its docstring, and it prints what it says it prints.

An example starts with ``import torch`` and all public names of its module, in an empty folder.
"""

import doctest
import importlib
import inspect
import pkgutil

import matplotlib.pyplot as plt
import pytest
import torch

import tutorlib

MODULES = ["tutorlib", *(found.name for found in pkgutil.walk_packages(tutorlib.__path__, "tutorlib."))]


def public():
    """Functions and classes that a module both defines and names in ``__all__``."""
    for module_name in MODULES:
        if module_name.endswith("__main__"):
            continue
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module_name:
                yield module_name, name


PUBLIC = list(public())


def run(text, names, where="an example"):
    """The example in a docstring: how many lines it has, what it prints at all, and what went wrong."""
    test = doctest.DocTestParser().get_doctest(text or "", dict(names), where, None, None)
    runner, said = doctest.DocTestRunner(verbose=False), []
    lines = list(test.examples)
    runner.run(test, out=said.append)
    return lines, "".join(said) if runner.failures else ""


@pytest.mark.parametrize(("module_name", "name"), PUBLIC, ids=[f"{m[9:]}.{n}" for m, n in PUBLIC])
def test_example(module_name, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_name)
    names = {"torch": torch, **{key: getattr(module, key) for key in module.__all__}}
    lines, wrong = run(getattr(module, name).__doc__, names, name)
    plt.close("all")
    assert lines, "its docstring has no example"
    assert any(line.want for line in lines), "its example prints nothing"
    assert not any(doctest.SKIP in line.options for line in lines), "its example is not run"
    assert len(lines) <= 6, "its example is too long to be read at a glance"
    assert not wrong, wrong


def test_modules_are_found():
    """The tests above are made from what there is: without this, none would be no failure."""
    assert len(PUBLIC) > 200
    rooms = {module_name.split(".")[1] for module_name, _ in PUBLIC}
    assert {"bits", "bayes", "tunnels", "models", "handset", "training", "evaluation", "checkpoints"} <= rooms


@pytest.mark.parametrize(
    ("text", "lines", "fails"),
    [
        (None, 0, False),
        ("Words.", 0, False),
        (">>> 1 + 1\n2", 1, False),
        (">>> 1 + 1\n3", 1, True),
        (">>> x", 1, True),
    ],
    ids=["none", "words", "right", "wrong", "error"],
)
def test_an_example_can_fail(text, lines, fails):
    found, wrong = run(text, {})
    assert len(found) == lines and bool(wrong) == fails
