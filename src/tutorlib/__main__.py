"""``python -m tutorlib`` is the same as the ``tutorlib`` command."""

from tutorlib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
