"""Where a workspace lies on the disk: its root, the git repository around it, the place of its state.

Git's files are read directly: starting `git` costs more than everything else that a command does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mdcoord.errors import NotFound
from mdcoord.model import KINDS

COORDINATION: Final = Path(".claude/coordination")
"""The root of a workspace, relative to the project's folder."""

STATE: Final = ".state"

Isolated = Callable[[Path], bool]
"""Whether the configuration of a project's folder gives every work tree a workspace of its own."""


class Checkout(NamedTuple):
    """A git work tree: its top folder, the git folder that all share, and the top of the main work tree.

    `main` is `top` in the main work tree itself, and None where there is no main one (a bare repository).
    `name` is git's name of a linked work tree, "" for the main one.
    """

    top: Path
    common: Path
    main: Path | None
    name: str = ""

    @property
    def linked(self) -> bool:
        """Whether this is a linked work tree (`git worktree add`)."""
        return bool(self.name)


def checkout_of(folder: Path) -> Checkout | None:
    """The git work tree that a folder lies in, None outside of git."""
    for top in (folder, *folder.parents):
        git = top / ".git"
        if git.is_dir():
            return Checkout(top, git, top)
        if git.is_file():
            return _pointed(top, git)
    return None


def _pointed(top: Path, git: Path) -> Checkout | None:
    """The work tree whose `.git` is a file: a linked one, or a submodule (a repository of its own)."""
    target = _line(git).removeprefix("gitdir:").strip()
    folder = (top / target).resolve()
    if not target or not folder.is_dir():
        return None
    common = _line(folder / "commondir")
    if not common:
        return Checkout(top, folder, top)
    shared = (folder / common).resolve()
    return Checkout(top, shared, shared.parent if shared.name == ".git" else None, folder.name)


def find_root(start: Path, isolated: Isolated) -> Path:
    """The root of the nearest workspace from a folder upwards. Raises NotFound.

    In a linked git work tree the main work tree's workspace is meant, so that all share one truth, unless
    the configuration says that each has its own.
    """
    for folder in _upwards(start):
        for root in _roots(folder, isolated):
            if root.is_dir():
                return root
    raise no_workspace(start)


def explicit_root(folder: Path, isolated: Isolated) -> Path:
    """The root that a user named: a project's folder, or the workspace itself. Raises NotFound."""
    for root in _roots(folder, isolated):
        if root.is_dir():
            return root
    if folder.is_dir() and (folder.parts[-2:] == COORDINATION.parts or looks_used(folder)):
        return folder
    raise no_workspace(folder)


def new_root(folder: Path, isolated: Isolated) -> Path:
    """The root that a workspace made for this project folder will have."""
    if folder.parts[-2:] == COORDINATION.parts:
        folder = folder.parent.parent  # somebody named the root itself
    return next(_roots(folder, isolated))


def project_here(project: Path, here: Path) -> Path:
    """The folder of a project in the git work tree that `here` lies in.

    Linked work trees share the workspace of the main one, but each has files of its own to look at.
    """
    checkout = checkout_of(here)
    if not (checkout and checkout.linked and checkout.main) or project.is_relative_to(checkout.top):
        return project
    if not project.is_relative_to(checkout.main):
        return project
    own = checkout.top / project.relative_to(checkout.main)
    return own if own.is_dir() else project


def state_folder(root: Path) -> Path:
    """Where locks, leases and history of a workspace lie; the same place for everybody who uses it.

    Inside a git repository: its common git folder, where `git clean` does not reach, in a folder of the
    workspace's own. Elsewhere: `.state` in the root. A `.state` that is there already stays the place, so
    that a later `git init` does not part those who work.
    """
    own = root / STATE
    return own if own.is_dir() else _git_state(root) or own


def second_state(root: Path) -> Path | None:
    """The other place that holds state of this workspace, where there are two; None where there is one."""
    other = _git_state(root)
    return other if other and other.is_dir() and (root / STATE).is_dir() else None


def _git_state(root: Path) -> Path | None:
    checkout = checkout_of(root)
    if checkout is None:
        return None
    path = str(root.relative_to(checkout.top)).replace("%", "%25").replace("/", "%2F") or "%"
    if len(path.encode()) > 200:
        path = hashlib.sha256(path.encode()).hexdigest()
    return checkout.common / "mdcoord" / (f"{path}@{checkout.name}" if checkout.linked else path)


def no_workspace(folder: Path) -> NotFound:
    """The error of a search that found nothing."""
    return NotFound(
        f"there is no workspace in {folder} or above it",
        hint="make one with `mdcoord init`",
        path=str(folder),
    )


def _roots(folder: Path, isolated: Isolated) -> Iterator[Path]:
    """Where the workspace of a project folder may be, the place that counts first."""
    checkout = checkout_of(folder)
    if checkout and checkout.linked and checkout.main and not isolated(folder):
        yield checkout.main / folder.relative_to(checkout.top) / COORDINATION
    yield folder / COORDINATION


def _upwards(start: Path) -> Iterator[Path]:
    # A workspace is also found from inside of it.
    while COORDINATION.name in start.parts and COORDINATION.parts[0] in start.parts:
        if start.parts[-2:] == COORDINATION.parts:
            start = start.parent.parent
            break
        start = start.parent
    yield from (start, *start.parents)


def looks_used(folder: Path) -> bool:
    """Whether a folder has documents or the state of a workspace."""
    prefixes = tuple(f"{kind}-" for kind in KINDS)
    with os.scandir(folder) as entries:
        return any(
            entry.name == STATE or (entry.name.startswith(prefixes) and entry.name.endswith(".md"))
            for entry in entries
        )


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
