"""Memos: one hash for each topic, changed by compare-and-set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from mdcoord.backends.base import Revise
from mdcoord.backends.redis.commits import Step, commit, exactly
from mdcoord.backends.redis.keys import Keys
from mdcoord.backends.redis.link import Link
from mdcoord.backends.redis.sight import Sight, dump
from mdcoord.backends.redis.turns import Race, Turns
from mdcoord.model import Value, normalise_name

MOST: Final = 256
"""How many of the memos that this process wrote it remembers: they are mostly the same still."""


class Memos:
    """The memos of one workspace."""

    def __init__(self, link: Link, keys: Keys, sight: Sight, turns: Turns) -> None:
        self._link = link
        self._keys = keys
        self._sight = sight
        self._turns = turns
        self._known: dict[tuple[str, str], bytes] = {}

    def get(self, topic: str, name: str) -> Value:
        """See `Backend.memo`."""
        return _value(self._look(normalise_name(topic), normalise_name(name)))

    def all(self, topic: str) -> Mapping[str, Value]:
        """See `Backend.memos`."""
        found = iter(self._link.call("HGETALL", self._keys.memos(normalise_name(topic))))
        return dict(sorted((name.decode(), _value(text)) for name, text in zip(found, found, strict=True)))

    def topics(self) -> list[str]:
        """See `Backend.topics`."""
        head = self._keys.memos("")
        return [key[len(head) :] for key in self._link.keys(head)]

    def keep(self, topic: str, name: str, revise: Revise, wait: float) -> Value:
        """See `Backend.keep`."""
        topic, name = normalise_name(topic), normalise_name(name)
        with self._turns.taken(f"{topic}/{name}", wait):
            known = self._known.pop((topic, name), None)
            done, found = self._at_once(topic, name, known, revise) if known else (False, None)
            if done:
                return _value(found)
            race, found = Race(self._turns, f"{topic}/{name}", wait), self._look(topic, name)
            while True:
                done, found = self._stored(topic, name, found, revise(_value(found)))
                if done:
                    return _value(found)
                race.lost()

    def _at_once(self, topic: str, name: str, known: bytes, revise: Revise) -> tuple[bool, bytes | None]:
        """Change a memo as it was known last, if it is so still."""
        try:
            value = revise(_value(known))
        except Exception:
            return False, None  # what is there now is perhaps not refused; else the next attempt says why
        return self._stored(topic, name, known, value)

    def _stored(self, topic: str, name: str, found: bytes | None, value: Value) -> tuple[bool, bytes | None]:
        """Whether the memo is this value now, and what it is."""
        text = None if value is None else dump(value).encode()
        if text is None and found is None:
            return True, None
        step, place = Step(), self._keys.memos(topic)
        step.guard(exactly(found), "HGET", place, name)
        step.do(*(("HDEL", place, name) if text is None else ("HSET", place, name, text)))
        self._sight.memo(step, topic, name, value)
        done, (other,) = commit(self._link, self._keys, step)
        if done and text is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[topic, name] = text
        return done, text if done else other

    def _look(self, topic: str, name: str) -> bytes | None:
        found: bytes | None = self._link.call("HGET", self._keys.memos(topic), name)
        return found


def _value(text: bytes | None) -> Value:
    return None if text is None else json.loads(text)
