"""Events: two lists a channel, its history and what was rotated out of it, both with the newest first.

A cursor is the number of an event, counted from the first that the channel ever had, and its id: by that a
cursor is known that was made where the channel lived before. Other programs may write to these lists, too:
what is no event of ours has a number, and is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from mdcoord.backends.naming import random_name
from mdcoord.backends.redis.commits import Step, commit, in_pages
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link, Script
from mdcoord.backends.redis.sight import dump
from mdcoord.backends.refusals import no_channel, no_cursor
from mdcoord.backends.values import Event, Unreadable
from mdcoord.formats.eventids import channel_name, identity_of
from mdcoord.formats.eventlog import render_event
from mdcoord.model import Key

PAGE: Final = 1000
"""Events read or moved by one script."""

REMEMBERED: Final = 64
"""An append that repeats the id of one of this many newest events adds nothing."""

START: Final = "="
"""Instead of an id: the cursor is the place after so many events."""

BEFORE: Final = "-"
"""What stands there in a cursor of a Markdown log that tells a place, too, but counts bytes."""

_APPEND, _TAIL, _ROTATE = Script("away", "append"), Script("away", "tail"), Script("away", "rotate")


class EventLog:
    """The channels of one workspace."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    def append(self, channel: str, name: str, data: Mapping[str, Any], time: str, id: str | None) -> Event:
        """See `Backend.append`."""
        channel = channel_name(channel)
        _, entry = render_event(id or random_name(), name, time, data)
        text = _stored(str(entry.id), entry.name, entry.time, entry.data)
        head = dump({"id": entry.id})[:-1] + ","
        self._link.begin()
        feed = self._keys.feed(channel)
        number, stored = self._link.run(
            _APPEND,
            self._places(channel),
            [channel, text, head if id else "", REMEMBERED, feed],
            again=[channel, text, head, REMEMBERED, feed],
        )
        return _event(channel, number, stored)

    def extend(self, channel: str, events: Sequence[Event]) -> None:
        """See `Backend.extend`."""
        channel, step = channel_name(channel), Step()
        step.do("HSETNX", self._keys.channels, channel, 0)
        texts = [_stored(event.id, event.name, event.time, event.data, event.text) for event in events]
        for page in in_pages(texts, PAGE):
            step.do("LPUSH", self._keys.history(channel), *page)
        commit(self._link, self._keys, step)

    def history(self, channel: str) -> Iterator[Event]:
        """See `Backend.history`."""
        channel = channel_name(channel)
        total, begin, page = self._page(channel, 0, PAGE)
        return self._onward(channel, begin, total, page)

    def tail(self, channel: str, after: str | None, limit: int | None) -> Iterator[Event]:
        """See `Backend.tail`."""
        channel = channel_name(channel)
        count = PAGE if limit is None else min(PAGE, max(limit, 0))
        if after is None:
            total, begin, page = self._page(channel, "", count)
        else:
            total, begin, page = self._after(channel, after, count)
        return islice(self._onward(channel, begin, total, page), None if limit is None else max(limit, 0))

    def _after(self, channel: str, cursor: str, count: int) -> tuple[int, int, list[bytes]]:
        number, id = _parsed(channel, cursor)
        if id == START:
            total, begin, page = self._page(channel, number, count)
            if number > total:
                raise no_cursor(channel, cursor)
            return total, begin, page
        if id == BEFORE:
            return self._page(channel, 0, count)  # which place that was is not known any more
        total, begin, page = self._page(channel, max(number - 1, 0), count + 1)
        if any(event.id == id for event in _events(channel, begin, page[:1])):
            return total, begin + 1, page[1:]
        found = self._search(channel, id)
        if not found:
            raise no_cursor(channel, cursor)
        return self._page(channel, found, count)

    def _search(self, channel: str, id: str) -> int:
        """The number of the newest event that has this id, 0 where none has."""
        same = (event.cursor for event in self.history(channel) if identity_of(event.id) == identity_of(id))
        return max((_parsed(channel, cursor)[0] for cursor in same), default=0)

    def last(self, channel: str, count: int) -> Sequence[Event]:
        """See `Backend.last`."""
        channel = channel_name(channel)
        asked = count = max(count, 0)
        while True:
            _, begin, page = self._page(channel, -asked or "", asked)
            events = [*_events(channel, begin, page)]
            if len(events) >= count or len(page) < asked:
                return events[-count:]
            asked *= 2

    def start(self, channel: str) -> str:
        """See `Backend.start`."""
        name = channel_name(channel)
        return f"{name}:{int(self._link.call('HGET', self._keys.channels, name) or 0)}:{START}"

    def channels(self) -> Sequence[str]:
        """The names of all channels, sorted."""
        return sorted(name.decode() for name in self._link.call("HKEYS", self._keys.channels))

    def archives(self) -> list[str]:
        """The channels of which events are in the archive."""
        found = iter(self._link.call("HGETALL", self._keys.channels))
        return [name.decode() for name, count in zip(found, found, strict=True) if int(count)]

    def rotate(self, channel: str, keep: int) -> int:
        """See `Backend.rotate`. A long log is moved in portions, so that nobody has to wait for it."""
        channel = channel_name(channel)
        moved = 0
        count: int
        while True:
            (count,) = self._link.run(_ROTATE, self._places(channel), [channel, keep, PAGE])
            if count < 0:
                raise no_channel(channel)
            moved += count
            if count < PAGE:
                return moved

    def problems(self, channel: str) -> Sequence[Unreadable]:
        """What readers of the log pass over. Raises NotFound."""
        channel = channel_name(channel)
        total, begin, page = self._page(channel, "", PAGE)
        pages = self._pages(channel, begin, total, page)
        count = sum(len(page) - sum(1 for _ in _events(channel, begin, page)) for begin, page in pages)
        if not count:
            return ()
        what = "1 entry of this list is" if count == 1 else f"{count} entries of this list are"
        message = f"{what} no event of mdcoord, and passed over"
        hint = "another program wrote that: give it a list of its own"
        return [Unreadable(Key("events", channel), self._keys.history(channel), message, hint=hint)]

    def _onward(self, channel: str, begin: int, total: int, page: list[bytes]) -> Iterator[Event]:
        for before, found in self._pages(channel, begin, total, page):
            yield from _events(channel, before, found)

    def _pages(
        self, channel: str, begin: int, total: int, page: list[bytes]
    ) -> Iterator[tuple[int, list[bytes]]]:
        """This page and all after it, each with the number of the entry before it."""
        while page:
            yield begin, page
            begin += len(page)
            page = self._page(channel, begin, min(PAGE, total - begin))[2] if begin < total else []

    def _page(self, channel: str, after: int | str, limit: int) -> tuple[int, int, list[bytes]]:
        total, begin, page = self._link.run(_TAIL, self._places(channel), [channel, after, limit])
        if total < 0:
            raise no_channel(channel)
        return total, begin, page

    def _places(self, channel: str) -> list[str]:
        return [self._keys.channels, self._keys.history(channel), self._keys.rotated(channel)]


def _stored(id: str, name: str, time: str, data: Mapping[str, Any], text: str | None = None) -> str:
    # `event` and `type` are what its name is called on others' channels.
    whole = {"id": id, "event": name, "type": name, "timestamp": time, "data": dict(data)}
    return dump(whole if text is None else {**whole, "text": text})


def _events(channel: str, before: int, page: Sequence[bytes]) -> Iterator[Event]:
    """The events on a page, which begins after so many entries; what others put there is passed over."""
    for number, text in enumerate(page, before + 1):
        try:
            yield _event(channel, number, text)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass


def _event(channel: str, number: int, stored: bytes) -> Event:
    found = json.loads(stored)
    id, name, time, data = found["id"], found["event"], found["timestamp"], found["data"]
    if not (isinstance(data, dict) and all(isinstance(one, str) for one in (id, name, time))):
        raise ValueError("no event of ours")
    return Event(id, name, time, data, f"{channel}:{number}:{id}", found.get("text"))


def _parsed(channel: str, cursor: str) -> tuple[int, str]:
    name, _, rest = cursor.partition(":")
    number, _, id = rest.partition(":")
    if name != channel or not (number.isascii() and number.isdecimal()) or len(number) > 18 or not id:
        raise no_cursor(channel, cursor)
    return int(number), id
