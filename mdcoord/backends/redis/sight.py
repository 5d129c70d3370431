"""What others read: the fields of documents and the holders of tasks under the keys known among agents.

All of it is written in the same step as the document that it shows, and nothing of it is read back: who
changes it changes nothing here, and the next write puts it right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from mdcoord.backends.redis.commits import Step
from mdcoord.backends.redis.keys import Keys
from mdcoord.errors import UsageError
from mdcoord.host import seconds_of
from mdcoord.model import ID_FIELD, Key, Value
from mdcoord.rules.addressing import ALL, is_pending, recipient_of
from mdcoord.rules.leases import Lease
from mdcoord.rules.readiness import DONE, OPEN, status_for_others
from mdcoord.rules.standing import IN_PROGRESS, status_of

MOST: Final = 1e15
"""No priority is told from others beyond this."""

STATUS_EXPIRES: Final = 3600
"""Seconds after which `agents:status:…` of a silent agent is gone."""

Fields = Mapping[str, Value] | None
"""The fields of a document; None for one that is not there, or cannot be read."""


# Made once, as that costs as much as using it; values are trees, so nobody need look for circles.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def dump(value: Value) -> str:
    """A value as compact JSON."""
    return _encode(value)


class Sight:
    """Adds to a step what is to be seen of it. `has_json`: whether the server has the JSON type."""

    def __init__(self, keys: Keys, has_json: bool) -> None:
        self._keys = keys
        self._has_json = has_json
        self._kinds: dict[str, Callable[[Step, str, Fields, Fields], None]] = {
            "agent": self._agent,
            "task": self._task,
            "message": self._message,
        }

    def document(self, step: Step, key: Key, before: Fields, after: Fields) -> None:
        """Show what a write makes of a document."""
        if after is None:
            step.do("HDEL", self._keys.document(key), "json")
        else:
            step.do("HSET", self._keys.document(key), "json", dump(after))
        old, new = alias_of(key, before), alias_of(key, after)
        if old != new:
            for command, alias in (("SREM", old), ("SADD", new)):
                if alias is not None:
                    step.do(command, self._keys.alias(key.kind, alias), key.id)
        if key.kind != "agent" and self._has_json:
            self._json(step, self._keys.json(key), after)
        if key.kind in self._kinds:
            self._kinds[key.kind](step, key.id, before, after)

    def lease(self, step: Step, key: Key, before: Lease | None, after: Lease | None) -> None:
        """Show who holds a task."""
        was, now = (lease.holder if lease else None for lease in (before, after))
        if was and was.session and (now is None or now.agent != was.agent):
            step.do("SREM", self._keys.held(was.agent), key.id)
        if now and now.session:
            claim = {
                "agent_id": now.agent,
                "session": now.session,
                "claimed_at": seconds_of(now.acquired_at),
                "expires_at": now.expires_at,
                "ttl": now.ttl,
                "attempt": after.attempt if after else 0,
            }
            step.do("SET", self._keys.claim(key.id), dump(claim), "PX", max(1, int(now.ttl * 1000)))
            if was is None or was.agent != now.agent:
                step.do("SADD", self._keys.held(now.agent), key.id)
        elif was:
            step.do("DEL", self._keys.claim(key.id))

    def memo(self, step: Step, topic: str, name: str, value: Value) -> None:
        """Show when an instance was seen, which it notes with its inbox."""
        if topic != "inbox":
            return
        seen = value["sign"].get("seen") if isinstance(value, dict) and value.get("sign") else None
        if seen is None:
            step.do("HDEL", self._keys.presence, name)
        else:
            step.do("HSET", self._keys.presence, name, dump({"instance": name, "last_seen": seen}))

    def _json(self, step: Step, place: str, fields: Fields) -> None:
        step.do("DEL", place)  # it may be of another type, from a time before the server knew this one
        if fields is not None:
            step.do("JSON.SET", place, "$", dump(fields))

    def _agent(self, step: Step, name: str, before: Fields, after: Fields) -> None:
        place = self._keys.status(name)
        if after is None:
            step.do("DEL", place)
            step.do("HDEL", self._keys.registry, name)
            return
        text = dump(after)
        step.do("HSET", self._keys.registry, name, text)
        if self._has_json:
            self._json(step, place, after)
            step.do("EXPIRE", place, STATUS_EXPIRES)
        else:
            step.do("SET", place, text, "EX", STATUS_EXPIRES)

    def _task(self, step: Step, name: str, before: Fields, after: Fields) -> None:
        was, now = (None if fields is None else status_of(fields) for fields in (before, after))
        if was != now:
            for status, change in ((was, -1), (now, 1)):
                if status is not None:
                    step.do("HINCRBY", self._keys.tally, status, change)
        self._queue(step, name, before, after)
        if (now == IN_PROGRESS) != (was == IN_PROGRESS):
            step.do("SADD" if now == IN_PROGRESS else "SREM", self._keys.running, name)
        if before is not None and after is not None and was == IN_PROGRESS != now:
            self._ended(step, name, before, after)

    def _queue(self, step: Step, name: str, before: Fields, after: Fields) -> None:
        old, new = (
            in_queue(name, fields) if fields is not None and status_of(fields) in OPEN else None
            for fields in (before, after)
        )
        if old and (new is None or new[1] != old[1]):
            step.do("ZREM", self._keys.queue, old[1])
            step.do("ZREM", self._keys.later, old[1])
            step.do("HDEL", self._keys.offered, old[1])
        if new:
            step.do("ZADD", self._keys.queue, *new)
        if after is not None and _done(after) and not (before is not None and _done(before)):
            for other in {name, alias_of(Key("task", name), after) or name}:
                step.do("RELEASE", self._keys.waiting(other), self._keys.queue)

    def _ended(self, step: Step, name: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> None:
        """Count an attempt that ended well or badly, for who held it."""
        done = status_of(after) == "completed"
        agent = before.get("assigned_agent")
        if not isinstance(agent, str) or not (done or _failed(before, after)):
            return
        end = seconds_of(after.get("updated_at")) or 0.0
        spent = max(0.0, end - (seconds_of(before.get("started_at")) or end))
        fact = {
            "task_id": name,
            "agent_id": agent,
            "task_type": after.get("type"),
            "duration": round(spent, 3),
            "success": done,
            "timestamp": int(end),
            "attempt": after.get("attempt"),
        }
        sums = self._keys.stats(agent)
        step.do("ZADD", self._keys.completions, int(end), dump(fact))
        step.do("HINCRBY", sums, "total_tasks", 1)
        step.do("HINCRBY", sums, "successful_tasks", int(done))
        step.do("HINCRBYFLOAT", sums, "total_duration", round(spent, 3))

    def _message(self, step: Step, name: str, before: Fields, after: Fields) -> None:
        keys, sent = self._keys, after if after is not None else before
        inbox = keys.inbox(_recipient(sent))
        if after is None:
            step.do("DEL", keys.message(name))
            for place in (keys.timeline, inbox):
                step.do("ZREM", place, name)
        else:
            step.do("SET", keys.message(name), dump(after))
            for place in (keys.timeline, inbox):
                step.do("ZADD", place, seconds_of(after.get("created_at")) or 0.0, name)
        waits = after is not None and is_pending(after)
        step.do("SADD" if waits else "SREM", keys.pending, name)
        if sent is not None and sent.get("type") == "NOTIFICATION":
            waiting = keys.notifications(_recipient(sent))
            step.do("LREM", waiting, 0, name)
            if waits:
                step.do("RPUSH", waiting, name)


def in_queue(name: str, fields: Mapping[str, Value]) -> tuple[float, str]:
    """The score and the member by which a task stands in the queue, in the order of `readiness.rank`."""
    priority = _number(fields.get("priority"))
    age = {"created_at": str(fields.get("created_at") or ""), "id": name, "priority": priority}
    return priority, dump({**age, "type": fields.get("type")})


def alias_of(key: Key, fields: Fields) -> str | None:
    """The name that the id field of a document gives it, where that is another than its own."""
    value = None if fields is None else fields.get(ID_FIELD[key.kind])
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    if value == key.id and not key.id.startswith(key.kind):
        return None  # so it is nearly always
    try:
        name = Key.of(key.kind, str(value)).id
    except UsageError:
        return None
    return None if name == key.id else name


def _done(fields: Mapping[str, Value]) -> bool:
    """Whether tasks that depend on this one may begin."""
    return status_for_others(fields) in DONE


def _recipient(fields: Fields) -> str:
    return (recipient_of(fields) if fields is not None else None) or ALL


def _failed(before: Mapping[str, Value], after: Mapping[str, Value]) -> bool:
    """Whether the log has got a line that says so."""
    old, new = (fields.get("logs") for fields in (before, after))
    lines = new[len(old) if isinstance(old, list) else 0 :] if isinstance(new, list) else []
    return any(isinstance(line, dict) and line.get("outcome") == "failed" for line in lines)


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return max(-MOST, min(MOST, float(value))) if known else 0.0
