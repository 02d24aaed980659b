"""What holds for the repository as a whole: sizes, addresses, the one site setting, the workflows."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from publish_as import files, main, pages, publish_as
from site_setting import Site, read_site

MAX_BYTES = 1_500_000
# In pieces, so that this file does not contain what it looks for.
REGISTRIES = [
    "pypi" + ".org/simple",
    "files.pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "deb.debian" + ".org",
    "/opt/" + "pypi",
]
MACHINE_PATH = re.compile(r"(?<![\w.:/<>$}-])/(?:" + "home|root|Users|work" + r")/[A-Za-z][\w.-]*")
# Files whose subject is machine paths.
ABOUT_PATHS = {"tests/test_repository.py", "tests/notebooks/test_lint.py", "tools/lint_pictures.py"}


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """Text of every file of the repository that is text, by name; vendored minified scripts left out."""
    found = {}
    for path in files(root):
        name = str(path.relative_to(root))
        if name.startswith("book/_static/mathjax/"):
            continue
        try:
            found[name] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
    return found


def test_there_are_chapters(root: Path) -> None:
    """The tests of the chapters are made from the files there are: without this, none would be no failure."""
    names = sorted(path.name for path in (root / "chapters").iterdir() if not path.name.startswith("."))
    there = [
        "01_counting",
        "02_bits",
        "03_crossing_out",
        "04_tracking",
        "05_em",
        "06_attention",
        "07_wind_tunnels",
        "08_bijection",
        "10_architectures",
        "11_geometry",
        "12_dissection",
        "13_gradient_laws",
        "09_hmm",
        "15_formation",
    ]
    assert {f"{name}.ipynb" for name in there} <= set(names)
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name) for name in names), (
        "chapters/ holds notebooks only"
    )


def test_no_large_file(root: Path) -> None:
    large = {
        p.name: p.stat().st_size
        for p in files(root)
        if p.suffix != ".safetensors" and p.stat().st_size > MAX_BYTES
    }
    assert not large


def test_no_registry_host(texts: dict[str, str]) -> None:
    found = [(name, host) for name, text in texts.items() for host in REGISTRIES if host in text]
    assert not found


def test_no_machine_path(texts: dict[str, str]) -> None:
    found = [(n, m[0]) for n, t in texts.items() if n not in ABOUT_PATHS for m in MACHINE_PATH.finditer(t)]
    assert not found


def test_the_searches_find(tmp_path: Path) -> None:
    assert MACHINE_PATH.search("see /home/ada/book")
    assert MACHINE_PATH.search('"/root/x"')
    assert not MACHINE_PATH.search("https://example.org/home/ada")
    assert not MACHINE_PATH.search("path/to/root/x")


# ---------------------------------------------------------------- one site setting


def named_sites(text: str, name: str) -> set[tuple[str, str]]:
    """(repository, tag or "") that `text` names as places of this book, where `name` is the repository's name."""
    found = set()
    for match in re.finditer(
        rf"(?:github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)/([\w-]+/{re.escape(name)})(?:\.git)?"
        r"(?:(?:@|/(?:blob|tree|raw|releases/tag|releases/download)/)([\w.-]+))?",
        text,
    ):
        found.add((match[1], match[2] or ""))
    for match in re.finditer(rf"([\w-]+)\.github\.io/{re.escape(name)}\b", text):
        found.add((f"{match[1]}/{name}", ""))
    return found


def test_all_places_agree_with_the_site_setting(texts: dict[str, str]) -> None:
    site = read_site()
    name = site.repository.split("/")[1]
    wrong = {
        (file, place)
        for file, text in texts.items()
        for place in named_sites(text, name)
        if place[0].lower() != site.repository.lower() or place[1] not in ("", site.tag)
    }
    assert not wrong, f"these do not name {site} (make publish-as): {sorted(wrong)}"


def test_the_book_is_configured_for_the_site(root: Path) -> None:
    site = read_site()
    config = yaml.safe_load((root / "book" / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == f"https://github.com/{site.repository}"
    assert config["repository"]["branch"] == site.tag, (
        "Colab must open the chapter of the release that it installs"
    )
    assert config["html"]["baseurl"] == f"https://{pages(site.repository)}/"


def test_links_to_notebooks_lead_somewhere(root: Path, texts: dict[str, str]) -> None:
    repository = re.escape(read_site().repository)
    for file, text in texts.items():
        for path in re.findall(rf"{repository}/(?:blob|tree|raw)/[\w.-]+/([\w./-]+)", text):
            assert (root / path).exists(), f"{file} links to {path}"


def test_named_sites_sees_every_form() -> None:
    text = """
    %pip install "tutorlib @ git+https://github.com/a/book@v1.0.0"
    https://colab.research.google.com/github/b/book/blob/v2.0.0/chapters/01.ipynb  https://c.github.io/book/
    https://github.com/d/book/issues  https://github.com/e/other
    """
    assert named_sites(text, "book") == {
        ("a/book", "v1.0.0"),
        ("b/book", "v2.0.0"),
        ("c/book", ""),
        ("d/book", ""),
    }


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A small copy of the repository under git."""
    for name in ("pyproject.toml", "book/_config.yml", "CONTRIBUTING.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(root / name, tmp_path / name)
    site = read_site()
    (tmp_path / "chapter.ipynb").write_text('"' + site.install_cell.replace('"', '\\"') + '"')
    (tmp_path / "data.bin").write_bytes(b"\xff\xfe" + site.repository.encode())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_publish_as_rewrites_every_place(copy: Path) -> None:
    old = read_site(copy)
    new = Site("Ada-L/my.book", "v2.3.4")
    changed = publish_as(new, copy)
    assert read_site(copy) == new
    assert {path.name for path in changed} >= {"pyproject.toml", "_config.yml", "chapter.ipynb"}
    for path in files(copy):
        if path.suffix != ".bin":
            assert old.repository not in path.read_text(encoding="utf-8")
            assert "your--account" not in path.read_text(encoding="utf-8") or path.name == "pyproject.toml"
    config = (copy / "book" / "_config.yml").read_text(encoding="utf-8")
    assert "https://ada-l.github.io/my.book/" in config
    assert f"{new.repository}@{new.tag}" in (copy / "chapter.ipynb").read_text(encoding="utf-8")
    # And back: nothing but the names has changed.
    publish_as(Site("someone/else", old.tag), copy)
    assert read_site(copy) == Site("someone/else", old.tag)


@pytest.mark.parametrize(
    "bad", ["owner", "a/b/c", "a--b/c", "-a/b", "a-/b", "a b/c", "https://github.com/a/b"]
)
def test_publish_as_refuses_what_github_would(bad: str, copy: Path) -> None:
    before = (copy / "pyproject.toml").read_bytes()
    with pytest.raises(ValueError, match="owner/name"):
        publish_as(Site(bad, "v1.0.0"), copy)
    assert (copy / "pyproject.toml").read_bytes() == before


def test_publish_as_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--repository", "nonsense"]) == 2
    assert "owner/name" in capsys.readouterr().err
    assert main(["--repository", "a/b", "--tag", "1.0"]) == 2
    assert "v1.2.3" in capsys.readouterr().err


# ---------------------------------------------------------------- workflows


def workflow_files() -> list[Path]:
    return sorted((Path(__file__).resolve().parents[1] / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", workflow_files(), ids=lambda path: path.name)
def test_workflow_is_well_formed(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"]
    assert workflow[True], "triggers (YAML reads the key `on` as true)"
    assert "permissions" in workflow, "least permissions, said explicitly"
    for name, job in workflow["jobs"].items():
        assert job["runs-on"] and job["timeout-minutes"], name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})", step["uses"]), step["uses"]


def test_workflows_call_verbs_that_exist(root: Path) -> None:
    verbs = set(
        re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    sources = [
        *workflow_files(),
        root / ".pre-commit-config.yaml",
        root / ".ci" / "run",
        root / "CONTRIBUTING.md",
    ]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        used = set(re.findall(r"(?:^|[\s`])make ([a-z-]+)\b", text)) if path.suffix == ".yml" else set()
        used |= set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"(?m)^make ([a-z-]+)", text))
        assert used <= verbs, f"{path.name} calls {used - verbs}"


def test_workflows_exist(root: Path) -> None:
    assert {path.name for path in workflow_files()} == {"test.yml", "pages.yml", "weekly.yml"}
