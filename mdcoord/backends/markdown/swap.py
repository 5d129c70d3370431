"""Putting a new version of a file in place, and looking at what came out.

Editors take no lock. What comes out is the version that the new one was made from, unless somebody saved
the file a moment ago or is saving it right now. Then the very same file goes back to its name – with the
program that may still be writing to it – and nothing happened.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from mdcoord.backends.markdown.descriptors import READ
from mdcoord.backends.markdown.exchange import exchange
from mdcoord.backends.markdown.oserrors import not_durable
from mdcoord.backends.markdown.writers import has_writer, writer_of
from mdcoord.errors import Busy, NotDurable

_SAVING: Final = 2.0
"""Seconds to wait for a program that has a file open for writing."""
_PAUSE: Final = 0.005


class Leftover(Exception):
    """A temporary file (the argument) is where ours should go, or holds a save that was caught."""


class Swap:
    """One replacement: the file `temp` with the content `data` goes to `path`; `spare` gives a free name."""

    __slots__ = ("_linked", "data", "path", "spare", "temp")

    def __init__(self, path: str, temp: str, spare: Callable[[], str], data: bytes) -> None:
        self.path = path
        self.temp = temp
        self.spare = spare
        self.data = data
        self._linked = ""

    def run(self, expected: bytes, confirm: Callable[[], NotDurable | None]) -> bool:
        """Swap, unless something else than `expected` comes out: then False, and nothing was changed.

        `confirm` syncs the folder; its error is raised in the end. Raises Leftover for a second save that
        fell into the short time between the swap and the way back, Busy when somebody does not close the
        file.
        """
        try:
            out = self._displace()
            descriptor = os.open(out, READ)
            try:
                writer = has_writer(descriptor)
                problem = None
                same = not writer and _holds(descriptor, expected)
                if same:
                    problem = confirm()
                if same and writer is None:
                    # Who had opened the old file just before the swap has had the time of a sync to write.
                    same = _holds(descriptor, expected)
                if not same:
                    self._give_back(out)
                    wait_for_writers(descriptor, self.path)
            finally:
                os.close(descriptor)
            if same:
                _drop(out)
        except Leftover:
            raise
        except BaseException as error:
            self._undo(error)
            raise
        if problem:
            raise problem
        return same

    def _displace(self) -> str:
        """Put the new file in place; returns where the old one is now."""
        if exchange(self.temp, self.path):
            return self.temp
        # A save by rename that falls exactly between these two calls is not noticed.
        spare = self.spare()
        if os.path.lexists(spare):
            os.unlink(self.temp)
            raise Leftover(spare)
        self._linked = spare
        os.link(self.path, spare, follow_symlinks=False)
        os.rename(self.temp, self.path)
        return spare

    def _give_back(self, out: str) -> None:
        try:
            swapped = exchange(out, self.path)
        except FileNotFoundError:
            raise Leftover(out) from None
        if swapped:
            if content_of(out) != self.data:
                raise Leftover(out)
            os.unlink(out)
        elif content_of(self.path) == self.data:
            os.rename(out, self.path)
        else:
            raise Leftover(out)

    def _undo(self, reason: BaseException) -> None:
        """Bring back what was there, at whatever point the swap was interrupted."""
        try:
            for out in filter(None, (self.temp, self._linked)):
                if not os.path.lexists(out):
                    continue
                if content_of(out) == self.data or _same_file(out, self.path):
                    os.unlink(out)
                else:
                    self._give_back(out)
        except Leftover:
            pass  # the next writer deals with it
        except OSError as error:
            raise not_durable(self.path, error) from reason


def wait_for_writers(descriptor: int, path: str) -> None:
    """Return when nobody has the file open for writing any more. Raises Busy after two seconds."""
    deadline = time.monotonic() + _SAVING
    while has_writer(descriptor):
        if time.monotonic() >= deadline:
            pid = writer_of(descriptor)
            raise Busy(
                f"{path} is open for writing in {f'process {pid}' if pid else 'another program'}",
                hint="save and close it there, then try again",
                path=path,
                holder_pid=pid,
            )
        time.sleep(_PAUSE)


def _holds(descriptor: int, expected: bytes) -> bool:
    """Whether this is all of an open file."""
    return os.pread(descriptor, len(expected) + 1, 0) == expected


def content(descriptor: int) -> bytes:
    """All of an open file, whatever was read from it before."""
    return os.pread(descriptor, os.fstat(descriptor).st_size + 1, 0)


def content_of(path: str) -> bytes:
    """All of a file."""
    descriptor = os.open(path, READ)
    try:
        return content(descriptor)
    finally:
        os.close(descriptor)


def _drop(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it holds what everybody knows: the next writer drops it


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False
