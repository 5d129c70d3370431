"""Failing single calls of the operating system, on purpose.

`Faults` puts itself between the store's modules and `os`, `fcntl`, the swap of two files and `open`: it
counts the calls that are made and lets one of them fail. Real files, real locks; only that one call does
not do its work (or does it, and is interrupted on its way back).
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import linecache
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any

from mdcoord.backends.markdown import catalog, exchange, fileio, history, swap

NAMES = (
    "attributes catalog descriptors fileio flock history log logappend logarchive logfile logjournal "
    "logrotation logview memos reader store swap writer writers"
)
MODULES = tuple(import_module(f"mdcoord.backends.markdown.{name}") for name in NAMES.split())
"""The modules of the store whose calls are counted."""

_READING = {
    "open",
    "close",
    "read",
    "pread",
    "stat",
    "fstat",
    "lseek",
    "getxattr",
    "listxattr",
    "listdir",
    "scandir",
}
_WRITING = {"write", "pwrite", "fsync", "ftruncate", "fchmod", "fchown", "setxattr"}
_NAMING = {"unlink", "link", "rename", "mkdir", "makedirs", "rmdir"}

CALLS = _READING | _WRITING | _NAMING | {"flock", "fcntl"}

Failure = Callable[[], BaseException]

FAILURES: dict[str, Failure] = {
    "EIO": lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    "ENOSPC": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "EACCES": lambda: OSError(errno.EACCES, os.strerror(errno.EACCES)),
    "EINTR": lambda: OSError(errno.EINTR, os.strerror(errno.EINTR)),
    "ENOMEM": lambda: MemoryError(),
    "SIGINT": lambda: KeyboardInterrupt(),
}
"""What happens instead of the call."""

LATE = "SIGINT after"
"""The call does its work, and Ctrl-C arrives when it returns."""

SHORT = "short write"
"""A write writes half of what it was given; an error follows where the rest is tried."""

KINDS = (*FAILURES, LATE, SHORT)

KILL = "SIGKILL"
KILL_LATE = "SIGKILL after"
"""The process is killed instead of the call, or when it returns."""

KILLS = (KILL, KILL_LATE)

LINE = "SIGINT between lines"
"""Ctrl-C between two lines of the store's own code."""


class Faults:
    """Counts calls; the one with the number `at` (from 1) fails in the way `kind`. 0: none does."""

    def __init__(self, kind: str = "EIO", at: int = 0) -> None:
        self.kind = kind
        self.at = at
        self.count = 0
        self.failed: str | None = None
        self.meanwhile: list[Callable[[], None]] = []

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Make a call, or let it fail."""
        if name == "exchange" and self.meanwhile:
            self.meanwhile.pop(0)()
        if self.kind == SHORT:
            return self._short(name, function, *arguments, **named)
        self.count += 1
        if self.count == self.at:
            self.failed = name
            return self._fail(name, function, *arguments, **named)
        # Nobody cuts the power here, so nothing is waited for.
        return None if name == "fsync" else function(*arguments, **named)

    def _fail(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        try:
            # close(2) frees the descriptor whatever it returns
            if self.kind in (LATE, KILL_LATE) or name == "close":
                function(*arguments, **named)
        finally:
            if self.kind in KILLS:
                os.kill(os.getpid(), signal.SIGKILL)
        raise KeyboardInterrupt if self.kind == LATE else FAILURES[self.kind]()

    def _short(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Only writes are counted. One writes half; the next one finds the disk full."""
        if name in ("write", "pwrite"):
            self.count += 1
            if self.count == self.at:
                self.failed = name
                descriptor, data, *place = arguments
                return function(descriptor, bytes(data)[: max(len(data) // 2, 1)], *place)
            if self.count == self.at + 1:
                raise FAILURES["ENOSPC"]()
        return None if name == "fsync" else function(*arguments, **named)

    @contextmanager
    def active(self) -> Iterator[Faults]:
        """Stand between the store and the system for the length of a `with`."""
        operating, controls = _Between(os, self), _Between(fcntl, self)
        swaps: list[tuple[ModuleType, str, Any]] = [
            (module, name, between)
            for module in MODULES
            for name, real, between in (("os", os, operating), ("fcntl", fcntl, controls))
            if getattr(module, name, None) is real
        ]
        swaps.append((swap, "exchange", self._wrapped("exchange", exchange.exchange)))
        swaps.append((fileio, "rename_new", self._wrapped("rename_new", exchange.rename_new)))
        swaps += [(module, "open", self._wrapped("open", builtins.open)) for module in (history, catalog)]
        missing = object()
        before = [(module, name, module.__dict__.get(name, missing)) for module, name, _ in swaps]
        try:
            for module, name, replacement in swaps:
                setattr(module, name, replacement)
            yield self
        finally:
            for module, name, value in before:
                if value is missing:
                    delattr(module, name)
                else:
                    setattr(module, name, value)

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: self.call(name, function, *arguments, **named)


class Interruption:
    """Ctrl-C before the line with the number `at` (from 1) that is executed in the store's modules."""

    kind = LINE

    def __init__(self, at: int = 0) -> None:
        self.meanwhile: list[Callable[[], None]] = []
        self.at = at
        self.count = 0
        self.failed: str | None = None
        self._files = {str(module.__file__) for module in MODULES}
        self._unwinding: FrameType | None = None

    @contextmanager
    def active(self) -> Iterator[Interruption]:
        """Count lines, and interrupt, for the length of a `with`."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield self
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, value: Any) -> Any:
        return self._line if frame.f_code.co_filename in self._files else None

    def _line(self, frame: FrameType, event: str, value: Any) -> Any:
        if event == "exception":
            self._unwinding = frame
        elif event == "line" and not self._leaves_with(frame):
            self.count += 1
            if self.count == self.at:
                self.failed = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._line

    def _leaves_with(self, frame: FrameType) -> bool:
        """Whether an exception is on its way out of a `with`.

        There, Python 3.11 never lets go of the frame of a function that its tracer interrupts.
        """
        source = _source(frame)
        unwinding = self._unwinding is frame
        if unwinding and not source.startswith("except"):
            self._unwinding = None
        return unwinding and source.startswith("with ")


def _source(frame: FrameType) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


class _Between:
    """A module whose calls of the system go through `Faults`; everything else is the module's own."""

    def __init__(self, module: ModuleType, faults: Faults) -> None:
        self._module = module
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        return self._faults._wrapped(name, value) if name in CALLS else value
