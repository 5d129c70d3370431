"""Any object for asyncio: its methods run in a thread, one call each.

Attributes of a proxy are proxies again, so `Async(workspace).tasks.get("train")` can be awaited. What a call
returns comes as it is, except for context managers (claims), which are proxies, too. A call is a coroutine
that may also be entered or iterated, once: `asyncio.gather`, `create_task` and task groups take it, and one
that is forgotten warns. Methods that wait (see `mdcoord.patience`) hold no thread while they do:

    task = await w.aio.tasks.get("train")
    async with w.aio.tasks.claim(agent="a") as claim:
        await claim.progress(0.5)
    async for event in w.aio.events.tail("training"):
        ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import update_wrapper
from types import TracebackType
from typing import Any, Self

from mdcoord.patience import Pause, steps_of


class Async:
    """An object whose methods are awaitable."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._target, name)
        if callable(value):
            return _calling(value)
        return Async(value) if hasattr(value, "__dict__") and _is_ours(value) else value

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(self._target) if not name.startswith("_"))]

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._target.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._target.__exit__, kind, error, trace)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for item in _items(self._target):
            yield item

    def __repr__(self) -> str:
        return f"<Async {self._target!r}>"


class Call(Coroutine[Any, Any, Any]):
    """One call that has not been made yet: await it or make a task of it, enter it, or iterate over it."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], rest: dict[str, Any]) -> None:
        made: Any = _made(function, args, rest)
        # The warning about a call that nobody awaited says this name.
        made.__qualname__ = f"aio {getattr(function, '__qualname__', function)}"
        self._made: Coroutine[Any, Any, Any] = made
        self._entered: Any = None

    def __await__(self) -> Generator[Any, None, Any]:
        return self._made.__await__()

    def send(self, value: Any) -> Any:
        """Go on to the next place where the call waits."""
        return self._made.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the call waits."""
        return self._made.throw(*error)

    def close(self) -> None:
        """Give the call up."""
        self._made.close()

    async def __aenter__(self) -> Any:
        self._entered = await self._made
        return await self._entered.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._entered.__aexit__(kind, error, trace)

    async def __aiter__(self) -> AsyncIterator[Any]:
        found = await self._made
        async for item in _items(found._target if isinstance(found, Async) else found):
            yield item


def _calling(function: Callable[..., Any]) -> Callable[..., Call]:
    """The function as one that makes calls, with its name, its parameters and its documentation."""

    def call(*args: Any, **rest: Any) -> Call:
        return Call(function, args, rest)

    return update_wrapper(call, function, updated=())


async def _made(function: Callable[..., Any], args: tuple[Any, ...], rest: dict[str, Any]) -> Any:
    """Make a call; what it gives is a proxy where there is something to wait for in it."""
    result = await _result(function, args, rest)
    return Async(result) if hasattr(result, "__enter__") or _is_patient(result) else result


async def _result(function: Callable[..., Any], args: tuple[Any, ...], rest: dict[str, Any]) -> Any:
    if steps := steps_of(function):
        return await _last(steps(*args, **rest))
    under_way = asyncio.ensure_future(asyncio.to_thread(function, *args, **rest))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        # The thread goes on; a claim that it still brings must not be held for ever.
        under_way.add_done_callback(_let_go)
        raise


async def _items(target: Any) -> AsyncIterator[Any]:
    """What an iterable gives, each item fetched by a thread; the pauses of a patient one hold none."""
    iterator = iter(target.steps() if hasattr(target, "steps") else target)
    end = object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        if isinstance(item, Pause):
            await asyncio.sleep(item)
        else:
            yield item


async def _last(steps: Generator[Pause, None, Any]) -> Any:
    """What a generator of pauses returns in the end."""

    def advance() -> tuple[Pause | None, Any]:
        try:
            return next(steps), None
        except StopIteration as end:
            return None, end.value

    while True:
        pause, result = await asyncio.to_thread(advance)
        if pause is None:
            return result
        await asyncio.sleep(pause)


def _is_patient(value: Any) -> bool:
    """Whether an object has methods that wait."""
    return _is_ours(value) and any(hasattr(method, "steps") for method in vars(type(value)).values())


def _let_go(done: asyncio.Future[Any]) -> None:
    if done.cancelled() or done.exception() is not None:
        return
    result = done.result()
    if hasattr(result, "__exit__"):
        error = asyncio.CancelledError()
        done.get_loop().run_in_executor(None, result.__exit__, type(error), error, None)


def _is_ours(value: Any) -> bool:
    return type(value).__module__.startswith("mdcoord.services")
