"""A guard that ends a worker's commands when the worker itself is killed.

A process that is killed with SIGKILL ends nothing any more. So a small shell holds the other end of a pipe of
the worker's: as long as the worker lives the guard is told which process groups there are, and when the pipe
closes it ends the groups of the last line. A worker that is killed in the very moment between starting a
command and telling of it leaves that one alone.
"""

from __future__ import annotations

import os
import subprocess
import threading
from typing import Final

_GUARD: Final = """
trap '' HUP INT TERM
groups=
while read -r line; do groups=$line; done
[ -n "$groups" ] || exit 0
for group in $groups; do kill -s TERM -- "-$group"; done
sleep 3
for group in $groups; do kill -s KILL -- "-$group"; done
"""


class Lifeline:
    """The process groups that must not outlive this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: list[int] = []
        self._guard: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    def ready(self) -> None:
        """Have a guard; to be called before a group begins, so that there is no wait before it is known."""
        with self._lock:
            if self._guard is None or self._guard.poll() is not None:
                self._close_pipe()
                self._start()

    def add(self, group: int) -> None:
        """End this group if this process is gone."""
        with self._lock:
            self._groups.append(group)
            self._tell()

    def remove(self, group: int) -> None:
        """This group is over."""
        with self._lock:
            if group in self._groups:
                self._groups.remove(group)
                self._tell()

    def close(self) -> None:
        """Let the guard go, which ends the groups that are left. May be called again."""
        with self._lock:
            guard, self._guard = self._guard, None
            self._close_pipe()
        if guard is not None:
            guard.wait()

    def _start(self) -> None:
        reader, self._pipe = os.pipe()
        nothing = subprocess.DEVNULL
        try:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD],
                stdin=reader,
                stdout=nothing,
                stderr=nothing,
                start_new_session=True,
            )
        except OSError:
            self._close_pipe()  # without a shell there is no guard, and still all else works
        finally:
            os.close(reader)

    def _tell(self) -> None:
        if self._pipe is None:
            return
        try:
            os.write(self._pipe, " ".join(map(str, self._groups)).encode() + b"\n")
        except BrokenPipeError:
            pass  # somebody ended the guard: the next group gets a new one

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
