"""Files that appear whole or not at all, whatever stops the writing: a kill, a full disk, a power cut."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PART", "SaveError", "write_whole"]

PART = ".part"  # ending of a file that is being written; one for each target, so that they do not pile up


class SaveError(OSError, ValueError):
    """A file cannot be written; what was there before is untouched.

    >>> issubclass(SaveError, OSError) and issubclass(SaveError, ValueError)
    True
    """


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Write files so that each is replaced in one step.

    Everything is written beside its target first, as ``NAME.part``, and renamed in the given order when all of it is
    on the disk. So a disk that fills up changes nothing, and only a kill between two renames, which take
    microseconds, can leave a first file that is new beside a second that is old; the ``.part`` of the second is then
    still there, and whole.

    Args:
        files: the bytes by path; missing folders are made.

    Raises:
        SaveError: if the disk is full or a folder cannot be written.

    >>> from pathlib import Path
    >>> write_whole({Path("runs/note.txt"): b"whole"})
    >>> Path("runs/note.txt").read_text()
    'whole'
    """
    target, parts = Path(), {path: path.with_name(path.name + PART) for path in files}
    try:
        for target, data in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(parts[target], "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
    except BaseException as error:
        for part in parts.values():
            _remove(part)
        if isinstance(error, OSError):
            raise _refusal(target, error) from error
        raise
    try:
        for target, part in parts.items():
            os.replace(part, target)
    except OSError as error:
        raise _refusal(target, error) from error


def _refusal(target: Path, error: OSError) -> SaveError:
    before = "the old file is whole" if target.exists() else "there was none before"
    refusal = SaveError(f"{target}: cannot be written ({error.strerror or error}); {before}")
    refusal.errno = error.errno
    return refusal


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # the reason why it could not be written is the one to report
        return
