"""The files that name dependencies agree: pyproject.toml, environment.yml, the lock, Colab."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base", "build": "python-build"}

# Colab in November 2026 and the oldest of its selectable runtimes; the lower of the two versions.
COLAB = {
    "numpy": "2.0.2",
    "torch": "2.9.0",
    "matplotlib": "3.10.0",
    "ipywidgets": "7.7.1",
    "safetensors": "0.5.0",
    "tqdm": "4.67.0",
}
COLAB_EXTRAS = {
    "accelerate": "1.14.0"
}  # installed there (August 2026), so an extra must not make pip upgrade it
COLAB_PYTHON = "3.12.0"


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def environment(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


def by_name(requirements: list[str]) -> dict[str, SpecifierSet]:
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, requirements)}


def wanted(project: dict[str, Any]) -> dict[str, SpecifierSet]:
    extras = [line for group in project["optional-dependencies"].values() for line in group]
    return by_name([*project["dependencies"], *extras])


def test_environment_names_and_bounds_agree_with_pyproject(
    project: dict[str, Any], environment: dict[str, Any]
) -> None:
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    pip = [line for entry in environment["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
    assert pip[-1] == "-e ."
    names = {conda_name: name for name, conda_name in CONDA_NAMES.items()}
    found = {names.get(name, name): spec for name, spec in by_name([*conda, *pip[:-1]]).items()}
    assert found.pop("python") == SpecifierSet(project["requires-python"])
    found.pop("pip")
    assert found == wanted(project)


def test_environment_takes_conda_forge_only(environment: dict[str, Any]) -> None:
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert set(environment) == {"name", "channels", "dependencies"}


def test_core_has_lower_bounds_only_at_or_below_colab(project: dict[str, Any]) -> None:
    core = by_name(project["dependencies"])
    assert set(core) == set(COLAB), "a new core dependency must be on Colab already: add its version here"
    for name, specifier in core.items():
        assert [clause.operator for clause in specifier] == [">="], f"{name}{specifier}: lower bounds only"
        assert specifier.contains(COLAB[name]), (
            f"{name}{specifier} would make pip upgrade Colab's {COLAB[name]}"
        )
    assert SpecifierSet(project["requires-python"]).contains(COLAB_PYTHON)


def test_an_extra_that_colab_has_does_not_upgrade_it(project: dict[str, Any]) -> None:
    found = by_name(project["optional-dependencies"]["distributed"])
    for name, version in COLAB_EXTRAS.items():
        assert [clause.operator for clause in found[name]] == [">="] and found[name].contains(version)


def locked(root: Path) -> dict[str, str]:
    lines = (root / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!]*", pin), f"not a plain pin: {pin!r}"
    return {canonicalize_name(pin.split("==")[0]): pin.split("==")[1] for pin in pins}


def test_the_lock_holds_everything_within_bounds(root: Path, project: dict[str, Any]) -> None:
    pins = locked(root)
    assert "tutorlib" not in pins
    for name, specifier in wanted(project).items():
        assert name in pins, f"{name} is not in requirements/lock.txt (make lock)"
        assert specifier.contains(pins[name], prereleases=True), f"{name}=={pins[name]} is not in {specifier}"


def test_what_runs_is_what_is_locked(root: Path, request: pytest.FixtureRequest) -> None:
    """Only in the environment that make setup builds; elsewhere (conda, newest versions) it says nothing."""
    import sys
    from importlib.metadata import distributions

    if not Path(sys.prefix).is_relative_to(root):
        pytest.skip("not the environment of make setup")
    installed = {canonicalize_name(d.metadata["Name"]): Version(d.version).public for d in distributions()}
    different = {
        name: (pin, installed[name])
        for name, pin in locked(root).items()
        if name in installed and Version(pin) != Version(installed[name])
    }
    assert not different, f"locked and installed versions differ: {different} (make lock, or make setup)"


def test_colab_floors_are_at_or_above_our_bounds(root: Path, project: dict[str, Any]) -> None:
    lines = (root / "requirements" / "colab-floors.txt").read_text(encoding="utf-8").splitlines()
    floors = by_name([line for line in lines if line and not line.startswith("#")])
    core = by_name(project["dependencies"])
    assert set(core) <= set(floors), "the bare environment must hold every core dependency"
    for name, specifier in core.items():
        (pin,) = floors[name]
        assert pin.operator == "=="
        assert specifier.contains(pin.version.removesuffix(".*")), (
            f"{name}: floor {pin} is below the bound {specifier}"
        )


def test_the_version_is_one(root: Path, project: dict[str, Any]) -> None:
    import tutorlib

    tag = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["tutorlib"]["site"][
        "tag"
    ]
    assert tutorlib.__version__ == project["version"] == tag.removeprefix("v")
