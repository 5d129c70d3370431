"""Events: what happened, in order, by channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

from mdcoord.backends.base import Event
from mdcoord.errors import MdcoordError
from mdcoord.model import Value
from mdcoord.records import EventRecord
from mdcoord.services.env import Env

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


def typed(channel: str, event: Event) -> EventRecord:
    """An event of the store as a record."""
    return EventRecord(channel, event.name, event.time, event.data, id=event.id, cursor=event.cursor)


def _name(channel: str) -> str:
    from mdcoord.formats.eventlog import channel_name  # most commands publish nothing and look at no channel

    return channel_name(channel)
