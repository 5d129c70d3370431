"""Reading files of the project that documents name: within bounds, and never outside of the project.

A document is written by whoever can write to the workspace, so a path in it is no more than a wish: absolute
paths, `..` and symbolic links that lead out are refused, and so is everything that is no file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Final

ENTRIES: Final = 200
"""How many names of a folder are shown."""


@dataclass(frozen=True, slots=True)
class FileText:
    """What a path led to: its text as far as it was read, or the `problem` that kept it from being read.

    `size` is the whole size in bytes; `cut` says that the text is only the beginning.
    """

    path: str
    text: str | None = None
    size: int = 0
    cut: bool = False
    problem: str = ""


def exists_inside(project: str, path: str) -> bool:
    """Whether a path names something inside of the project."""
    return not _refusal(path) and _real(project, path) is not None


def read_inside(project: str, path: str, limit: int) -> FileText:
    """The first `limit` bytes of a text file of the project, or the names in a folder. Never raises."""
    refusal = _refusal(path)
    if refusal:
        return FileText(path, problem=refusal)
    try:
        real = _real(project, path)
        if real is None:
            return FileText(path, problem="there is no such file")
        if not _within(os.path.realpath(project), real):
            return FileText(path, problem="refused: a symbolic link leads out of the project")
        if os.path.isdir(real):
            return _folder(path, real)
        return _file(path, real, limit)
    except (OSError, ValueError) as error:
        return FileText(path, problem=f"it cannot be read: {getattr(error, 'strerror', None) or error}")


def _refusal(path: str) -> str:
    if os.path.isabs(path) or path.startswith("~") or path[1:3] in (":\\", ":/"):
        return "refused: the path is absolute; name files from the project's folder on"
    if ".." in path.replace("\\", "/").split("/"):
        return "refused: the path leads upwards with `..`"
    if not path or not path.isprintable():
        return "refused: this is no path"
    return ""


def _real(project: str, path: str) -> str | None:
    """Where a path really leads, None when there is nothing."""
    real = os.path.realpath(os.path.join(project, path))
    return real if os.path.lexists(real) else None


def _within(folder: str, real: str) -> bool:
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)


def _folder(path: str, real: str) -> FileText:
    with os.scandir(real) as entries:
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    shown = "".join(f"{name}\n" for name in names[:ENTRIES] if name.isprintable())
    return FileText(path, shown, len(names), len(names) > ENTRIES)


def _file(path: str, real: str, limit: int) -> FileText:
    # Without O_NONBLOCK a FIFO would be waited for.
    descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return FileText(path, problem="refused: it is no regular file")
        data = file.read(limit + 1)
    size, cut = max(status.st_size, len(data)), len(data) > limit
    if cut:
        data = data[:limit].rpartition(b"\n")[0] or data[:limit]
    try:
        # A character may be cut in two.
        text = data.decode("utf-8", "ignore" if cut and b"\0" not in data else "strict")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return FileText(path, size=size, problem=f"it is no text in UTF-8 ({size} bytes)")
    return FileText(path, text.removeprefix("\ufeff").replace("\r\n", "\n"), size, cut)
