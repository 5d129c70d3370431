"""Durable consumers of events: each has a name and a place in its channel that outlives its processes.

A place is a memo, so it is never in git. It moves on only over events that were handed over and acknowledged,
so whoever dies before is handed them again: at least once. Several processes of one consumer share its place;
who finds that another one has moved it goes on from there, so between them no event is left out, and those
that were handed out at the same moment come twice.

Where the state is cleared, a consumer is a new one: it begins with the oldest event in the log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Event
from mdcoord.errors import NotFound, UsageError
from mdcoord.model import Value, normalise_name
from mdcoord.patience import Pause, pauses
from mdcoord.records import EventRecord
from mdcoord.services.env import Env
from mdcoord.services.news import News

TOPIC: Final = "consumers"

COUNTED: Final = 10_000
"""Up to how many events the lag of a consumer is counted."""

_BATCH: Final = 256
"""How many events are read at once."""

Matches = Callable[[Mapping[str, Any]], bool]
Typed = Callable[[str, Event], EventRecord]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer as it was noted: all events up to `cursor` are acknowledged.

    `lag` is how many events wait for it, those that its filter passes over included; it is counted up to
    10,000. None: the channel is not there.
    """

    channel: str
    consumer: str
    cursor: str
    updated_at: str | None
    lag: int | None = None

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {
            "channel": self.channel,
            "consumer": self.consumer,
            "lag": self.lag,
            "cursor": self.cursor,
            "updated_at": self.updated_at,
        }


class Places:
    """Where the consumers of all channels are."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._backend: Backend = env.backend

    def of(self, channel: str, consumer: str) -> str | None:
        """The cursor of a consumer; None for a new one."""
        return _cursor(self._backend.memo(TOPIC, _memo(channel, consumer)))

    def move(self, channel: str, consumer: str, cursor: str, known: set[str] | None) -> str:
        """Move a consumer on to a cursor, unless it is at none of the `known` ones; return where it is.

        None: wherever it is. Raises Busy.
        """
        fresh = _memo_of(channel, consumer, cursor, self._env.host.stamp())

        def revise(memo: Value) -> Value:
            now = _cursor(memo)
            return fresh if now is None or known is None or now in known else memo

        kept = self._backend.keep(TOPIC, _memo(channel, consumer), revise, wait=self._env.lock_timeout)
        return _cursor(kept) or cursor

    def note(self, channel: str, consumer: str, cursor: str, updated_at: str | None) -> None:
        """Note where a consumer is that comes from another store, unless it is known here. Raises Busy."""
        fresh = _memo_of(channel, consumer, cursor, updated_at)
        name = _memo(channel, consumer)
        self._backend.keep(TOPIC, name, lambda memo: memo or fresh, wait=self._env.lock_timeout)

    def forget(self, channel: str, consumer: str) -> None:
        """Forget a consumer. Raises NotFound."""
        consumer = normalise_name(consumer)
        if self.of(channel, consumer) is None:
            raise NotFound(
                f"the channel {channel!r} has no consumer {consumer!r}", hint="see `mdcoord event consumers`"
            )
        self._backend.keep(TOPIC, _memo(channel, consumer), lambda _: None, wait=self._env.lock_timeout)

    def all(self, channel: str | None = None) -> list[Consumer]:
        """All consumers, or those of a channel, by channel and name, each with its lag."""
        noted = (one for one in self.noted() if channel in (None, one.channel))
        return [replace(one, lag=self._lag(one.channel, one.cursor)) for one in noted]

    def noted(self) -> list[Consumer]:
        """All consumers by channel and name, as they are noted."""
        found = []
        for memo in self._backend.memos(TOPIC).values():
            cursor = _cursor(memo)
            if cursor is not None:
                found.append(Consumer(memo["channel"], memo["consumer"], cursor, memo.get("updated_at")))
        return sorted(found, key=lambda one: (one.channel, one.consumer))

    def _lag(self, channel: str, cursor: str) -> int | None:
        try:
            return sum(1 for _ in self._backend.tail(channel, cursor, COUNTED))
        except (NotFound, UsageError):
            return None


class Subscription:
    """The events of a channel for one consumer, in order, each at least once; made by `Events.subscribe`.

    Iterate over it. Unless it was made with `ack=False`, an event is acknowledged when the next one is asked
    for, and the last one when the `with` block is left without an error:

        with w.events.subscribe("training", consumer="plotter") as events:
            for event in events:
                plot(event["step"], event["loss"])

    For one thread at a time; only `close` may be called from others.
    """

    def __init__(
        self,
        env: Env,
        channel: str,
        consumer: str,
        typed: Typed,
        *,
        matches: Matches | None,
        follow: bool,
        after: str | None,
        ack: bool,
    ) -> None:
        self.channel = channel
        self.consumer = normalise_name(consumer)
        self._backend = env.backend
        self._places = Places(env)
        self._typed = typed
        self._matches = matches
        self._follow = follow
        self._ack = ack
        self._closed = threading.Event()
        self._news = News(env.backend, channel)
        self._current: EventRecord | None = None
        self._begin(after)

    def take(self, limit: int | None = None) -> list[EventRecord]:
        """The next events that are there, without waiting; to be acknowledged by `ack`.

        At most `limit`; None: as many as are read at once. Raises NotFound when the channel is gone, unless
        the subscription follows.
        """
        found: list[EventRecord] = []
        while limit is None or len(found) < limit:
            events = self._read()
            for event in events:
                self._at = event.cursor
                self._passed.append(event.cursor)
                record = self._typed(self.channel, event)
                if self._matches is None or self._matches(record):
                    found.append(record)
                    self._handed.append(event.cursor)
                    if len(found) == limit:
                        break
            if not self._handed:
                self._move(self._at)
            if not events or (limit is None and found):
                break
        return found

    def ack(self, event: EventRecord | None = None) -> None:
        """Acknowledge an event and all before it (None: all that were handed over).

        An event that is acknowledged already, here or by another process of the consumer, is passed over.
        Raises Busy, BackendUnavailable: then it is handed over again some time.
        """
        cursor = event.cursor if event is not None else self._handed[-1] if self._handed else None
        if cursor is None or cursor not in self._handed:
            return
        del self._handed[: self._handed.index(cursor) + 1]
        self._move(cursor if self._handed else self._at)

    def steps(self) -> Generator[EventRecord | Pause, None, None]:
        """The events, with pauses where there are none; see `mdcoord.patience`."""
        waiting = pauses()
        while not self._closed.is_set():
            self._news.looking()
            batch, round_ = self.take(), self._round
            for event in batch:
                self._current = event
                yield event
                if self._ack:
                    self.ack(event)
                if self._closed.is_set() or self._round != round_:
                    break
            if batch:
                waiting = pauses()
            elif self._follow:
                yield next(waiting)
            else:
                return

    def close(self) -> None:
        """End the iteration, also one that waits in another thread. What is not acknowledged comes again."""
        self._closed.set()
        self._news.close()

    def __iter__(self) -> Iterator[EventRecord]:
        for step in self.steps():
            if not isinstance(step, Pause):
                yield step
            else:
                self._news.wait(step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None and self._ack and self._current is not None:
            self.ack(self._current)

    def __repr__(self) -> str:
        return f"<Subscription {self.consumer} to {self.channel}>"

    def _begin(self, after: str | None) -> None:
        """Find the place of the consumer; a new one gets one that no rotation takes away."""
        if not self._follow:
            self._backend.last(self.channel, 0)  # refuses a channel that is not there
        place = self._places.of(self.channel, self.consumer)
        if after is not None:
            next(self._backend.tail(self.channel, after, 1), None)  # refuses a text that is no cursor
            place = self._places.move(self.channel, self.consumer, after, None)
        elif place is None:
            start = self._backend.start(self.channel)
            place = self._places.move(self.channel, self.consumer, start, set())
        self._go(place)

    def _go(self, place: str) -> None:
        """Read on from a place that the consumer is at."""
        self._at = self._place = place
        self._handed: list[str] = []
        self._passed: list[str] = []
        self._round = getattr(self, "_round", 0) + 1

    def _move(self, cursor: str) -> None:
        """Note that all events up to a cursor are done, unless the consumer was moved by somebody else."""
        if cursor == self._place:
            return
        count = self._passed.index(cursor) + 1
        now = self._places.move(self.channel, self.consumer, cursor, {self._place, *self._passed[:count]})
        if now != cursor:
            self._go(now)
            return
        self._place = cursor
        del self._passed[:count]

    def _read(self) -> Sequence[Event]:
        try:
            return [*islice(self._backend.tail(self.channel, self._at, _BATCH), _BATCH)]
        except NotFound:
            if self._follow:
                return []
            raise


def _memo(channel: str, consumer: str) -> str:
    # Both names together may be longer than a memo's may be.
    return sha256(f"{channel} {consumer}".encode()).hexdigest()[:32]


def _memo_of(channel: str, consumer: str, cursor: str, updated_at: str | None) -> dict[str, Value]:
    return {"channel": channel, "consumer": consumer, "cursor": cursor, "updated_at": updated_at}


def _cursor(memo: Value) -> str | None:
    if not isinstance(memo, dict) or not isinstance(memo.get("channel"), str):
        return None
    cursor = memo.get("cursor")
    return cursor if isinstance(cursor, str) and isinstance(memo.get("consumer"), str) else None
