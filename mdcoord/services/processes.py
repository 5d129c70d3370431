"""Running programs with a limit on their time and on what is kept of their output.

Each program leads a process group of its own: what it started and left behind ends with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mdcoord.errors import UsageError

T = TypeVar("T")

KEPT: Final = 64 * 1024
"""Bytes of a program's output that are kept: the first quarter and the last three."""

_POLITE: Final = 2.0
"""Seconds between the request to end and the end."""

_LINGERING: Final = 1.0
"""Seconds for which output is awaited from what escaped from the group."""

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code (negative: by that signal; None: its time was over or it could not
    be started, and `problem` says so), its output without colours, and the seconds that it took.
    """

    exit_code: int | None
    output: str
    seconds: float
    problem: str = ""


def complete(work: Callable[[], Awaitable[T]]) -> T:
    """Do something asynchronous to its end. A request to terminate ends it, and then the caller as usual.

    Raises UsageError inside of an event loop, which it would hold up.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise UsageError("this would hold up the event loop", hint="await the same call on workspace.aio")
    # The groups of the programs are not the terminal's, nor do they end with us by themselves.
    mine = threading.current_thread() is threading.main_thread()
    guarded = mine and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    try:
        return asyncio.run(_cancelled_by_termination(work) if guarded else _awaited(work))
    except asyncio.CancelledError:
        signal.raise_signal(signal.SIGTERM)
        raise


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


async def _cancelled_by_termination(work: Callable[[], Awaitable[T]]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def run(arguments: Sequence[str], folder: str, environ: Mapping[str, str], timeout: float) -> Ended:
    """Run a program in a folder, with nothing to read, for at most `timeout` seconds. Never raises for it.

    When this is cancelled the whole group is killed.
    """
    begun = time.monotonic()
    reader, writer = os.pipe()
    output = _Output(reader)
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=folder,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ended(None, "", 0.0, f"it cannot be started: {error}")
        finally:
            os.close(writer)
        in_time = await _within(process, timeout)
        await output.end(_LINGERING)
    finally:
        output.close()
    problem = "" if in_time else f"it was ended after {timeout:g} s"
    return Ended(process.returncode if in_time else None, output.text(), time.monotonic() - begun, problem)


async def _within(process: asyncio.subprocess.Process, timeout: float) -> bool:
    """Wait for a program, and kill what is left of its group in any case. False when its time was over."""
    try:
        await asyncio.wait_for(process.wait(), timeout)
        return True
    except TimeoutError:
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _POLITE)
        except TimeoutError:
            pass
        return False
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in the group


class _Output:
    """What comes through a pipe, as far as it is kept.

    The pipe is ours and not the process's: some Pythons wait for a process until its pipes are closed, and
    a child that it left behind may keep them open.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._first = bytearray()
        self._last = bytearray()
        self._dropped = 0
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._loop.add_reader(descriptor, self._read)

    async def end(self, longest: float) -> None:
        """Wait until all of it was read, but not longer than this (seconds)."""
        await asyncio.wait([self._ended], timeout=longest)

    def close(self) -> None:
        """Stop reading."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def text(self) -> str:
        """What was kept, as text without colours."""
        last = bytes(self._last)
        if self._dropped:
            gap = f"\n… {self._dropped} bytes left out …\n".encode()
            last = gap + last.partition(b"\n")[2]
        text = (bytes(self._first) + last).decode("utf-8", "replace").replace("\r\n", "\n")
        return _ESCAPES.sub("", text)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._descriptor)
            self._ended.set_result(None)
            return
        room = KEPT // 4 - len(self._first)
        if room > 0:
            self._first += data[:room]
            data = data[room:]
        self._last += data
        over = len(self._last) - KEPT * 3 // 4
        if over > 0:
            del self._last[:over]
            self._dropped += over
