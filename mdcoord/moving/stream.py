"""The lines in which a workspace travels: JSON objects, one a line, readable by other tools.

| line | what it has |
| --- | --- |
| header, the first | `format`, `mdcoord` (the version of the program), `backend`, `workspace`, `exported_at`, `kinds`, `archive` |
| document | `kind`, `id`, `version` (a hash of the text), `text` (exact, the truth), `fields` (what it says), `lease`, `archived` |
| channel | `kind: channel`, `id`; then come its events, oldest first, and its consumers |
| event | `kind: event`, `channel`, `id`, `time`, `name`, `data`, `archived`, `text` (where a person wrote it) |
| consumer | `kind: consumer`, `channel`, `id`, `next` (the id of its next event; null: it has seen all), `updated_at` |
| trailer, the last | `end: true`, `counts` |

What is not there is left out. A stream without a trailer was cut off. A lease is told by the clock of the
machine that exported; `expires_at` in it, less `exported_at`, is the time that was left.
"""  # noqa: E501  # rows of a table

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from mdcoord.backends.naming import archive_name
from mdcoord.backends.values import Copy, Event
from mdcoord.errors import InvalidDocument, InvalidName
from mdcoord.formats.eventids import channel_name, check_id
from mdcoord.model import DOCUMENTS, Key, Value, normalise_name
from mdcoord.rules.leases import Lease

FORMAT: Final = "mdcoord/export/1"

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_quoted = json.encoder.encode_basestring


class Channel(NamedTuple):
    """The beginning of a channel."""

    name: str


class Published(NamedTuple):
    """An event of a channel; `archived`: it was rotated away."""

    channel: str
    event: Event
    archived: bool = False


class Place(NamedTuple):
    """Where a consumer is: before the event with the id `next`, or at the end."""

    channel: str
    consumer: str
    next: str | None
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says."""

    backend: str
    workspace: str
    exported_at: str
    kinds: tuple[str, ...]
    archive: bool
    program: str = ""

    def line(self) -> str:
        """The first line."""
        facts: dict[str, Value] = {
            "format": FORMAT,
            "mdcoord": self.program,
            "backend": self.backend,
            "workspace": self.workspace,
            "exported_at": self.exported_at,
            "kinds": list(self.kinds),
            "archive": self.archive,
        }
        return _json(facts) + "\n"


class End(NamedTuple):
    """The last line: how many lines of each kind there are."""

    counts: Mapping[str, int]


Line = Header | Copy | Channel | Published | Place | End


def line_of(item: Copy | Channel | Published | Place | End) -> str:
    """A line of the stream, with its end of line."""
    return (_document(item) if isinstance(item, Copy) else _json(_as_dict(item))) + "\n"


def kind_of(item: Line) -> str:
    """Under which name a line is counted."""
    if isinstance(item, Copy):
        return item.key.kind
    return {Channel: "channel", Published: "event", Place: "consumer"}.get(type(item), "")


def _as_dict(item: Channel | Published | Place | End) -> dict[str, Value]:
    if isinstance(item, Published):
        return _event(item)
    if isinstance(item, Channel):
        return {"kind": "channel", "id": item.name}
    if isinstance(item, End):
        return {"end": True, "counts": dict(item.counts)}
    return {
        "kind": "consumer",
        "channel": item.channel,
        "id": item.consumer,
        "next": item.next,
        "updated_at": item.updated_at,
    }


def _event(published: Published) -> dict[str, Value]:
    event = published.event
    facts: dict[str, Value] = {"kind": "event", "channel": published.channel, "id": event.id}
    facts |= {"time": event.time, "name": event.name, "data": event.data}
    if published.archived:
        facts["archived"] = True
    if event.text is not None:
        facts["text"] = event.text
    return facts


def _document(copy: Copy) -> str:
    """A document's line, put together from its parts: there are many of them, and most of a line is text."""
    parts = [f'"kind":"{copy.key.kind}","id":{_quoted(copy.key.id)}']
    if copy.archived:
        parts.append(f'"archived":{_quoted(copy.archived)}')
    parts.append(f'"version":"{version_of(copy.text)}"')
    if copy.lease is not None:
        parts.append(f'"lease":{_json(copy.lease.as_dict())}')
    parts.append(f'"text":{_quoted(copy.text)}')
    if copy.fields is not None:
        parts.append(f'"fields":{_json(copy.fields)}')
    return "{" + ",".join(parts) + "}"


def version_of(text: str) -> str:
    """The version of a text in the stream: the same on every backend."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def parse(line: str | bytes, where: str, number: int) -> Line:
    """What a line says. Raises InvalidDocument, with `where` and the number of the line."""
    try:
        facts = json.loads(line)
        if "format" in facts:
            return _header(facts)
        if facts.get("end") is True:
            return End({str(name): int(count) for name, count in facts["counts"].items()})
        return _item(facts)
    except InvalidName as error:
        raise _no_line(where, number, error.message) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = f"{type(error).__name__}: {error}" if isinstance(error, json.JSONDecodeError) else repr(error)
        raise _no_line(where, number, wrong) from error


def _no_line(where: str, number: int, wrong: str) -> InvalidDocument:
    return InvalidDocument(
        f"line {number} of {where} is no line of an export ({wrong[:120]})",
        hint="export anew; what was imported already is passed over the next time",
        path=where,
        line=number,
    )


def _header(facts: Mapping[str, Any]) -> Header:
    if facts["format"] != FORMAT:
        raise ValueError(f"its format is {facts['format']!r}, not {FORMAT!r}")
    return Header(
        str(facts.get("backend")),
        str(facts.get("workspace")),
        str(facts.get("exported_at")),
        tuple(facts.get("kinds") or ()),
        facts.get("archive") is True,
        str(facts.get("mdcoord")),
    )


def _item(facts: Mapping[str, Any]) -> Line:
    kind, name = facts["kind"], _text(facts, "id")
    if kind == "event":
        text = _text(facts, "text") if "text" in facts else None
        event = Event(
            name if text else check_id(name),
            _text(facts, "name"),
            _text(facts, "time"),
            {**facts["data"]},
            text=text,
        )
        return Published(_channel(facts, "channel"), event, facts.get("archived") is True)
    if kind == "channel":
        return Channel(_channel(facts, "id"))
    if kind == "consumer":
        following = _text(facts, "next") if facts["next"] is not None else None
        return Place(_channel(facts, "channel"), normalise_name(name), following, facts.get("updated_at"))
    if kind not in DOCUMENTS:
        raise ValueError(f"there is no kind {kind!r}")
    text = _text(facts, "text")
    if facts.get("version", version_of(text)) != version_of(text):
        raise ValueError("its text is not the one that was exported")
    lease = Lease.from_dict(facts["lease"]) if facts.get("lease") else None
    key = Key.of(kind, name)
    archived = archive_name(key, _text(facts, "archived")) if facts.get("archived", "") != "" else ""
    return Copy(key, text, facts.get("fields"), lease, archived)


def _channel(facts: Mapping[str, Any], name: str) -> str:
    return channel_name(_text(facts, name))


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is to be a text")
    return value
