"""The files that a change touches, as git tells or as they are named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from mdcoord.errors import UsageError

_LONGEST: Final = 60.0
"""Seconds that one look of git may take."""


def changed_files(folder: str, base: str | None = None, *, apart: str | None = None) -> list[str] | None:
    """The files below a folder that differ from the last commit: staged, unstaged and untracked, sorted.

    With `base` (a commit, a branch), also what was committed since the work parted from it. Removed files
    are left out, and so is everything in the folder `apart`. Paths are relative to the folder. None outside
    of git. Raises UsageError for a base that there is not.
    """
    prefix = _git(folder, "rev-parse", "--show-prefix")
    if prefix is None:
        if base is not None:
            raise UsageError(f"{folder} is not in a git repository", hint="name the files instead of a base")
        return None
    found = {path.removeprefix(prefix) for path in _uncommitted(folder)}
    if base is not None:
        names = ("--name-only", "--relative", "--diff-filter=d")
        found.update(_listed(folder, "diff-tree", "-r", "-z", *names, _parting(folder, base), "HEAD"))
    there = (name for name in found if os.path.isfile(os.path.join(folder, name)))
    return sorted(name for name in there if apart is None or not _inside(os.path.join(folder, name), apart))


def named_files(folder: str, files: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Files and folders that somebody named, relative to the project's folder. Raises UsageError."""
    return sorted({_relative(folder, file) for file in files})


def _uncommitted(folder: str) -> list[str]:
    """What is staged, unstaged or untracked below a folder, as paths from the top of the repository."""
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all")
    return [entry[3:] for entry in _listed(folder, "status", *options, "--", ".")]


def _parting(folder: str, base: str) -> str:
    """The commit at which the work parted from a base. Raises UsageError."""
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if commit is None:
        raise UsageError(
            f"there is no commit {base[:80]!r}", hint="a branch, a tag or a commit of this project"
        )
    return _git(folder, "merge-base", commit, "HEAD") or commit


def _relative(folder: str, file: str | os.PathLike[str]) -> str:
    path = os.path.realpath(file)
    if not os.path.exists(path):
        raise UsageError(f"there is no file {file}", hint="name files of the project")
    if not _inside(path, folder):
        raise UsageError(f"{file} is not in the project {folder}", hint="name files of the project")
    return os.path.relpath(path, os.path.realpath(folder))


def _inside(path: str, folder: str) -> bool:
    top = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), top]) == top


def _listed(folder: str, *command: str) -> list[str]:
    return [entry for entry in (_git(folder, *command) or "").split("\0") if entry]


def _git(folder: str, *command: str) -> str | None:
    """What git prints; None when it fails, or is not installed."""
    import subprocess

    # A look must not take the lock of the index from a git that works here at the same time.
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", *command],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return os.fsdecode(done.stdout).removesuffix("\n")
