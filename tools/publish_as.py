"""Say where the book is published: rewrites the repository and the tag in every file that names them.

    make publish-as REPOSITORY=owner/name             # once, before the first push
    make publish-as TAG=v0.2.0                        # at a release

The setting is `[tool.tutorlib.site]` in pyproject.toml; tests/test_repository.py holds that all places agree with it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from site_setting import ROOT, Site, read_site

OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}"  # what GitHub allows
NAME = r"[A-Za-z0-9._-]{1,100}"
TAG = r"v\d+\.\d+\.\d+(?:[a-z0-9.]+)?"


def files(root: Path) -> list[Path]:
    """All files that are or would be in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return [root / name for name in names if name and (root / name).is_file()]


def pages(repository: str) -> str:
    """Where GitHub Pages shows a repository, without the scheme."""
    owner, name = repository.split("/")
    return f"{owner.lower()}.github.io/{name}"


def rewrite(text: str, old: Site, new: Site) -> str:
    """`text` with the new site in place of the old one."""
    # The tag is only replaced where it stands for this book's release, not wherever the same version is written.
    at = re.escape(old.repository)
    text = re.sub(
        rf"({at}(?:@|/(?:blob|tree|raw|releases/tag|releases/download)/)){re.escape(old.tag)}\b",
        rf"\g<1>{new.tag}",
        text,
    )
    text = re.sub(rf"(?m)^(\s*branch: ){re.escape(old.tag)}$", rf"\g<1>{new.tag}", text)
    text = re.sub(rf'(?m)^(tag = "){re.escape(old.tag)}"$', rf'\g<1>{new.tag}"', text)
    return text.replace(pages(old.repository), pages(new.repository)).replace(old.repository, new.repository)


def publish_as(new: Site, root: Path = ROOT) -> list[Path]:
    """Rewrite every file under `root`; return those that changed."""
    if not re.fullmatch(f"{OWNER}/{NAME}", new.repository):
        raise ValueError(f"expected a GitHub repository such as owner/name, got {new.repository!r}")
    if not re.fullmatch(TAG, new.tag):
        raise ValueError(f"expected a tag such as v1.2.3, got {new.tag!r}")
    old = read_site(root)
    changed = {}
    for path in files(root):
        try:
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue  # not text
        if (after := rewrite(text, old, new)) != text:
            changed[path] = after
    for path, after in changed.items():
        path.write_bytes(after.encode("utf-8"))
    return list(changed)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", help="owner/name on GitHub")
    parser.add_argument("--tag", help="the release that Colab installs, such as v1.2.3")
    options = parser.parse_args(arguments)
    old = read_site()
    new = Site(options.repository or old.repository, options.tag or old.tag)
    if options.repository is None and not re.fullmatch(f"{OWNER}/{NAME}", old.repository):
        print(f"publish-as: {old.repository} is a placeholder; give REPOSITORY=owner/name", file=sys.stderr)
        return 2
    try:
        changed = publish_as(new)
    except ValueError as error:
        print(f"publish-as: {error}", file=sys.stderr)
        return 2
    for path in changed:
        print(path.relative_to(ROOT))
    print(
        f"{len(changed)} files now name {new.repository} at {new.tag}. Look at git diff, then: make book test"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
