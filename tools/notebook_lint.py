"""Hold the chapters to their form. Each rule is a function from a chapter to complaints.

python tools/notebook_lint.py chapters/*.ipynb
python tools/notebook_lint.py --rules               # list the rules
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import lint_file  # noqa: F401  (importing registers the rules)
import lint_form  # noqa: F401
import lint_pictures  # noqa: F401
from chapter import RULES, Chapter, load_chapter


def lint(chapter: Chapter, names: list[str] | None = None) -> list[str]:
    """All complaints about a chapter, each beginning with its rule's name."""
    return [f"{name}: {message}" for name in names or list(RULES) for message in RULES[name](chapter)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Hold the chapters to their form.")
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--rules", action="store_true", help="list the rules and stop")
    options = parser.parse_args(arguments)
    if options.rules:
        for name, function in RULES.items():
            print(f"{name:15} {(function.__doc__ or '').splitlines()[0]}")
        return 0
    status = 0
    for path in options.notebooks:
        complaints = lint(load_chapter(path))
        status |= bool(complaints)
        print(f"{path}: " + (f"{len(complaints)} complaints" if complaints else "in form"))
        for complaint in complaints:
            print(f"  {complaint}")
    return status


if __name__ == "__main__":
    sys.exit(main())
