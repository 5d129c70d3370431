"""What a file has besides its content: mode, owner, extended attributes, and the mark of the tool."""

from __future__ import annotations

import os
import stat
from typing import Final

from mdcoord.errors import BackendUnavailable

MARK: Final = "user.mdcoord.version"
"""The attribute in which a file tells which version of it the tool wrote."""


def copy_attributes(source: str, descriptor: int) -> None:
    """Mode, then owner and extended attributes as far as we may. A file that is read-only is refused."""
    try:
        info = os.stat(source, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not info.st_mode & 0o222:
        raise BackendUnavailable(
            f"{source} is read-only", hint="make it writable for its owner first", path=source
        )
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (info.st_uid, info.st_gid):
        tolerant(os.fchown, descriptor, info.st_uid, info.st_gid)
    if mine.st_mode != info.st_mode:
        tolerant(os.fchmod, descriptor, stat.S_IMODE(info.st_mode))
    if hasattr(os, "listxattr"):
        tolerant(_copy_extended, source, descriptor)


def _copy_extended(source: str, descriptor: int) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if name.startswith(("user.", "system.posix_acl")) and name != MARK:
            os.setxattr(descriptor, name, os.getxattr(source, name, follow_symlinks=False))


def tolerant(function: object, *arguments: object) -> None:
    """Call the system for something that can be done without."""
    try:
        function(*arguments)  # type: ignore[operator]
    except OSError:
        pass  # not ours to give away, or not known to this file system: content matters more


def mark(descriptor: int, version: str) -> None:
    """Note in an open file which version of it this is."""
    if hasattr(os, "setxattr"):
        tolerant(os.setxattr, descriptor, MARK, version.encode())


def marked(path: str) -> str:
    """The version that was noted in a file; "" where there is none."""
    try:
        return os.getxattr(path, MARK, follow_symlinks=False).decode("ascii", "replace")
    except (OSError, AttributeError):
        return ""
