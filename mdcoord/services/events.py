"""Events: what happened, in order, by channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from mdcoord.backends.values import Event
from mdcoord.errors import MdcoordError
from mdcoord.model import Value
from mdcoord.records import EventRecord
from mdcoord.services.env import Env

if TYPE_CHECKING:
    from mdcoord.services.consumers import Consumer, Subscription
    from mdcoord.services.documents import Where
    from mdcoord.services.news import News

TASKS: Final = "tasks"
"""The channel of what happens to tasks."""

AGENTS: Final = "agent:events"
"""The channel of what happens to agents, under its name in Redis; its log is `events-agent.md`."""

LOG: Final = "log"
"""The channel that is the communication log."""


def announce(env: Env, channel: str, name: str, data: Mapping[str, Value], op: str | None = None) -> None:
    """Publish an event about a write that is done; repeating it with the same operation id adds nothing.

    The write stands whatever happens here, and the document is the truth, so a failure is not the caller's:
    without the event, `tail` misses a line.
    """
    try:
        env.backend.append(_name(channel), name, data, time=env.host.stamp(), id=_id_of(data, op))
    except MdcoordError:
        pass


def _id_of(data: Mapping[str, Value], op: str | None) -> str | None:
    # A repeated operation announces itself again, in case the first one was cut off between its two writes.
    return None if op is None else sha256(f"{data.get('task_id')} {op}".encode()).hexdigest()[:32]


class Events:
    """Publishing and reading events."""

    def __init__(self, env: Env) -> None:
        self._env = env

    def publish(self, channel: str, name: str, /, **data: Value) -> EventRecord:
        """Add an event to the end of a channel; on return it is stored.

        Raises InvalidName, Busy, NotDurable.
        """
        channel = _name(channel)
        return typed(channel, self._env.backend.append(channel, name, data, time=self._env.host.stamp()))

    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[EventRecord]:
        """Events in order after a cursor (None: from the oldest in the log); no event is skipped by rotation.

        Raises NotFound, and UsageError for a text that is no cursor of this channel.
        """
        channel = _name(channel)
        return (typed(channel, event) for event in self._env.backend.tail(channel, after, limit))

    def last(self, channel: str, count: int = 10) -> list[EventRecord]:
        """The newest events of the log, oldest first. Raises NotFound."""
        channel = _name(channel)
        return [typed(channel, event) for event in self._env.backend.last(channel, count)]

    def channels(self) -> Sequence[str]:
        """The names of all channels, sorted."""
        return self._env.backend.channels()

    def news(self, channel: str) -> News:
        """Waits for events of a channel, for whoever looks for them by `tail`."""
        from mdcoord.services.news import News

        return News(self._env.backend, _name(channel))

    def subscribe(
        self,
        channel: str,
        *,
        consumer: str,
        where: Where = None,
        follow: bool = True,
        after: str | None = None,
        ack: bool = True,
    ) -> Subscription:
        """The events that a consumer has not acknowledged yet, and with `follow` those to come.

        A consumer is made by its name; it begins with the oldest event in the log. `where` is a query or a
        function of an event: others are passed over. `after` is a cursor to go on after instead of the
        consumer's own place. Without `ack` nothing is acknowledged until `Subscription.ack` is called. Raises
        InvalidName, QueryError, UsageError, and NotFound without `follow`.
        """
        from mdcoord.services.consumers import Subscription

        name = _name(channel)
        matches = self.matcher(where)
        return Subscription(
            self._env, name, consumer, typed, matches=matches, follow=follow, after=after, ack=ack
        )

    def consumers(self, channel: str | None = None) -> Sequence[Consumer]:
        """The consumers of a channel (None: of all), each with how many events wait for it."""
        from mdcoord.services.consumers import Places

        return Places(self._env).all(None if channel is None else _name(channel))

    def forget(self, channel: str, consumer: str) -> None:
        """Forget where a consumer is; under the same name it begins anew. Raises NotFound, InvalidName."""
        from mdcoord.services.consumers import Places

        Places(self._env).forget(_name(channel), consumer)

    def matcher(self, where: Where) -> Callable[[Mapping[str, Any]], bool] | None:
        """The function that tells which events a query means; None for all. Raises QueryError."""
        if where is None or callable(where):
            return where
        from mdcoord.formats.query import compile_query

        return compile_query(where, now=self._env.host.now)


def typed(channel: str, event: Event) -> EventRecord:
    """An event of the store as a record."""
    return EventRecord(channel, event.name, event.time, event.data, id=event.id, cursor=event.cursor)


def _name(channel: str) -> str:
    from mdcoord.formats.eventids import channel_name

    return channel_name(channel)
