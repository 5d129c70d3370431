"""Which workspace is meant: the one that is named, by the caller or the environment, or the nearest one."""

from __future__ import annotations

import os
from pathlib import Path

from mdcoord.config import load_config
from mdcoord.errors import NotFound
from mdcoord.layout import Isolated, explicit_root, find_root, new_root


def root_of(where: str | Path | None, *, lenient: bool = False) -> Path:
    """The root of the workspace of a folder; of None: by MDCOORD_ROOT, else from the current folder upwards.

    Raises NotFound, and ConfigError unless `lenient`.
    """
    named = where or environment("MDCOORD_ROOT")
    if named:
        return explicit_root(Path(named).expanduser().resolve(), _isolated(lenient))
    return find_root(Path.cwd(), _isolated(lenient))


def root_or_none(where: str | Path | None, *, lenient: bool = False) -> Path | None:
    """The same; None where there is none, for a backend that may do without."""
    try:
        return root_of(where, lenient=lenient)
    except NotFound:
        return None


def root_for(folder: str | Path) -> Path:
    """The root that a workspace made for a project's folder has, or will have. Raises ConfigError."""
    return new_root(Path(folder).expanduser().resolve(), _isolated(lenient=False))


def environment(*names: str) -> str | None:
    """The first of these variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def _isolated(lenient: bool) -> Isolated:
    return lambda folder: load_config(folder, os.environ, lenient=lenient).worktrees == "isolated"
