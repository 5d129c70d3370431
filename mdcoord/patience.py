"""Waiting that holds no thread: what looks again and again is written once, for threads and for asyncio.

Such a method is a generator of steps: it yields a `Pause` where it wants to wait, and what it has where it is
iterated over. A thread sleeps in the pauses; `mdcoord.aio` lets the event loop go on, so that a hundred may
wait at once, and one that is cancelled is gone at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Pause(float):
    """Seconds in which there is nothing to do."""

    __slots__ = ()


def patient(steps: Callable[P, Generator[Pause, None, T]]) -> Callable[P, T]:
    """Make a function of a generator of pauses: it sleeps in them and returns what the generator returns.

    The generator function stays at hand as its attribute `steps`.
    """

    @wraps(steps)
    def call(*args: P.args, **rest: P.kwargs) -> T:
        waiting = steps(*args, **rest)
        while True:
            try:
                pause = next(waiting)
            except StopIteration as end:
                result: T = end.value
                return result
            time.sleep(pause)

    call.steps = steps  # type: ignore[attr-defined]  # functions have attributes
    return call


def steps_of(function: Any) -> Callable[..., Generator[Pause, None, Any]] | None:
    """The generator function behind a patient function or method, ready to be called; else None."""
    steps = getattr(function, "steps", None)
    owner = getattr(function, "__self__", None)
    return steps if steps is None or owner is None else steps.__get__(owner)


def pauses(shortest: float = 0.02, longest: float = 0.1) -> Iterator[Pause]:
    """Pauses between looks, for ever: short at first, each half as long again up to the longest."""
    pause = shortest
    while True:
        yield Pause(pause)
        pause = min(pause * 1.5, longest)
