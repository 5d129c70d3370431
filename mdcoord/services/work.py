"""What a worker does with a task: call a function, or run a command (see `command`).

A `Work` begins an *effort* for each claim. The effort runs in a thread of its own; whoever watches over it
may ask it to end.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from mdcoord.aio import Async
from mdcoord.errors import UsageError
from mdcoord.model import Value
from mdcoord.services.claim import Claim
from mdcoord.services.desk import Desk


class Failed(Exception):
    """The task failed, for the reason that its text says in full."""


class GiveBack(Exception):
    """The task is not failed, but to be given back. `lacks` are capabilities that were missing.

    A task that lacks nothing is left alone for a while, so that it is not taken again at once.
    """

    def __init__(self, reason: str = "", *, lacks: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lacks = tuple(lacks)


class Effort(Protocol):
    """One attempt at one task."""

    def run(self) -> Value:
        """Do the work and return its result. An exception fails the task, GiveBack gives it back."""

    def interrupt(self, *, hard: bool) -> bool:
        """Ask the work to end, with `hard` make it; from another thread. False if that is not possible."""


class Work(Protocol):
    """Begins the effort for a claim."""

    def begin(self, claim: Claim, desk: Desk) -> Effort: ...

    def close(self) -> None:
        """Let go of what serves all efforts; those that still run are not waited for."""


class Function:
    """Calls a function with the claim; what it returns is the result.

    A coroutine function is given an awaitable claim (`await claim.progress(0.5)`) and runs in an event loop:
    the one that `loop` names, else one of its own that all tasks of the worker share. It is cancelled when
    it has to end; a plain function cannot be: long ones look at `claim.over` now and then.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._function = function
        self._lock = threading.Lock()
        self._own: _Loop | None = None
        called = getattr(function, "__call__", None)  # noqa: B004  # not whether: which kind it is
        self._awaited = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)

    def begin(self, claim: Claim, desk: Desk) -> Effort:
        """The call for this claim."""
        return _Coroutine(self, claim) if self._awaited else _Plain(self, claim)

    def call(self, claim: Any) -> Any:
        """Call the function."""
        return self._function(claim)

    def schedule(self, awaitable: Awaitable[Any]) -> Future[Any]:
        """Run something in the event loop."""
        with self._lock:
            if self.loop is None:
                self._own = self._own or _Loop()
            loop = self._own.loop if self._own else self.loop
        assert loop is not None
        return asyncio.run_coroutine_threadsafe(_result_of(awaitable), loop)

    def close(self) -> None:
        """End the loop of its own."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.close()


class _Plain:
    def __init__(self, work: Function, claim: Claim) -> None:
        self._work = work
        self._claim = claim

    def run(self) -> Value:
        result = self._work.call(self._claim)
        # A lambda around a coroutine function does not look like one.
        return self._work.schedule(result).result() if inspect.isawaitable(result) else result

    def interrupt(self, *, hard: bool) -> bool:
        return False


class _Coroutine:
    def __init__(self, work: Function, claim: Claim) -> None:
        self._work = work
        self._claim = claim
        self._lock = threading.Lock()
        self._ended = False
        self._future: Future[Any] | None = None

    def run(self) -> Value:
        with self._lock:
            if self._ended:
                raise GiveBack("it was ended before it began")
            self._future = self._work.schedule(self._work.call(Async(self._claim)))
        try:
            return self._future.result()
        except CancelledError:
            raise GiveBack("it was cancelled") from None

    def interrupt(self, *, hard: bool) -> bool:
        with self._lock:
            self._ended = True
            if self._future is not None:
                self._future.cancel()
        return True


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mdcoord-work", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what still runs, and end it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(1.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left, timeout=0.5))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


async def _result_of(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def work_of(given: Any) -> Work:
    """What to do, from a function, or from something that is a work already. Raises UsageError."""
    if hasattr(given, "begin") and hasattr(given, "close"):
        work: Work = given
        return work
    if callable(given):
        return Function(given)
    raise UsageError(f"{given!r} is no work for a worker", hint="a function of a claim, or a Command")
