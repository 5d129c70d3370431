"""Making documents of what other programs call tasks: each once, however often it is imported."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Copy
from mdcoord.errors import AlreadyExists, InvalidDocument, InvalidName, NotFound, UsageError
from mdcoord.formats.foreign.found import BLOCKED, Found, Remark, Unusable, plain_name
from mdcoord.host import Host
from mdcoord.model import Key, Value
from mdcoord.moving.importing import Imported
from mdcoord.rules.readiness import DONE, HELD
from mdcoord.shapes import faults

ORIGIN: Final = "imported_from"
"""The field that says where a document is from: `tool`, `id` there, and `version`, a hash of what it said."""

_NUMBER: Final = re.compile(r"[0-9][0-9.]*\Z")


class ForeignImport:
    """One import of records of another program. With `dry_run` nothing is written."""

    def __init__(self, backend: Backend, host: Host, tool: str, *, dry_run: bool = False) -> None:
        self._backend = backend
        self._host = host
        self._tool = tool
        self._dry_run = dry_run
        self._fates: dict[str, Counter[str]] = {"new": Counter(), "same": Counter()}
        self._different: list[str] = []
        self._left_out: list[str] = []
        self._remarks: Counter[str] = Counter()
        self._held: list[str] = []
        self._made: dict[Key, Mapping[str, Value]] = {}
        self._texts: dict[Key, str] = {}

    def run(self, records: Iterable[Found | Unusable | Remark]) -> Imported:
        """Import all records."""
        found: list[Found] = []
        for record in records:
            if isinstance(record, Found):
                found.append(record)
            elif isinstance(record, Remark):
                self._remarks[record.what] += record.times
            else:
                named = record.why.startswith(record.where)
                self._left_out.append(record.why if named else f"{record.where}: {record.why}")
        names = _Names(found)
        for one in found:
            if one.text is None:
                self._import(one, names)
            else:
                self._import_text(Copy(Key(one.kind, one.id), one.text, one.fields))
        return Imported(
            dict(self._fates["new"]),
            dict(self._fates["same"]),
            tuple(sorted(self._different)),
            tuple(sorted(self._lost())),
            self._dry_run,
            tuple(self._left_out),
            dict(sorted(self._remarks.items())),
            tuple(sorted(self._held)),
        )

    def _import(self, found: Found, names: _Names) -> None:
        try:
            key = key_of(found)
            fields = self._fields(found, names)
            wrong = next((wrong for _, wrong in faults(key.kind, fields)), None)
            if wrong is not None:
                raise UsageError(wrong)
            fate = self._fate(key, fields, found.body)
        except UsageError as error:
            self._left_out.append(f"{found.id}: {error.message}")
            return
        if fate == "different":
            self._different.append(f"{key.name} ({found.id})")
            return
        self._fates[fate][key.kind] += 1
        if fate == "new":
            self._remarks.update(found.remarks)
            if fields.get("not_before") == HELD:
                self._held.append(key.id)
            if missing := names.missing(found):
                self._remarks[f"{found.id} depends on what is not there: {', '.join(missing)}"] += 1

    def _import_text(self, copy: Copy) -> None:
        made = not self._dry_run and all(self._backend.put_all([copy]))
        if made or (self._dry_run and not self._backend.exists(copy.key)):
            self._fates["new"][copy.key.kind] += 1
            self._texts[copy.key] = copy.text
        elif self._text(copy.key) == copy.text:
            self._fates["same"][copy.key.kind] += 1
        else:
            self._different.append(copy.key.name)

    def _fate(self, key: Key, fields: Mapping[str, Value], body: str) -> str:
        there = key in self._made or self._backend.exists(key)
        if not there and not self._dry_run:
            try:
                self._backend.create(key.kind, fields, body=body, name=key.id)
            except AlreadyExists:
                there = True
        if there:
            return "same" if key not in self._made and self._origin(key) == fields[ORIGIN] else "different"
        self._made[key] = fields
        return "new"

    def _lost(self) -> Iterator[str]:
        """What was made and cannot be found now."""
        if not self._dry_run:
            for key, fields in self._made.items():
                if self._origin(key) != fields[ORIGIN]:
                    yield key.name
            for key, text in self._texts.items():
                if self._text(key) != text:
                    yield key.name

    def _text(self, key: Key) -> str | None:
        try:
            return self._backend.text(key)
        except (InvalidDocument, NotFound):
            return None

    def _origin(self, key: Key) -> Value:
        try:
            return self._backend.read(key).fields.get(ORIGIN)
        except (InvalidDocument, NotFound):
            return None

    def _fields(self, found: Found, names: _Names) -> dict[str, Value]:
        fields = dict(found.fields)
        if found.kind == "task":
            fields["depends_on"] = [names.of(other) for other in found.depends_on]
            fields["parent"] = names.of(found.parent) if found.parent else None
        said = json.dumps([fields, found.body, found.kept], sort_keys=True, default=str)
        version = sha256(said.encode()).hexdigest()[:16]
        now = self._host.stamp()
        if found.kind == "task":
            if found.held and fields.get("status") == "pending":
                fields["not_before"] = _begin(found, names)
            fields |= {"attempt": 0, "created_at": fields.get("created_at") or now}
            fields["updated_at"] = fields.get("updated_at") or fields["created_at"]
        kept = {self._tool: dict(found.kept)} if found.kept else {}
        origin = {"tool": self._tool, "id": found.id, "version": version}
        return {
            **{name: value for name, value in fields.items() if value not in (None, [])},
            **kept,
            ORIGIN: origin,
        }


class _Names:
    """The ids of the other program, and what they are here."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._known: dict[str, str] = {}
        self._open: set[str] = set()
        numbers: dict[str, list[str]] = {}
        for one in found:
            if one.kind == "task" and (name := plain_name(one.id)):
                id = Key.of("task", name).id
                self._known[one.id.lower()] = id
                if one.fields.get("status") not in DONE:
                    self._open.add(id)
                if not one.id.lower().startswith("draft-"):
                    numbers.setdefault(_number(one.id), []).append(id)
        # A project may have called its tasks something else since; then old references still say task-7.
        self._known = {f"task-{n}": ids[0] for n, ids in numbers.items() if len(ids) == 1} | self._known

    def of(self, other: str) -> str:
        """The id here; of what is not there, the one that it would have. Raises InvalidName."""
        name = plain_name(other)
        if name is None:
            raise InvalidName(f"{other[:80]!r} cannot be the id of a task", hint="change it there")
        return self._known.get(other.lower()) or Key.of("task", name).id

    def waits(self, found: Found) -> bool:
        """Whether a task depends on one of the others that is not completed."""
        return any(self.of(other) in self._open for other in found.depends_on)

    def missing(self, found: Found) -> list[str]:
        """The dependencies of a task on what is not there."""
        return [other for other in found.depends_on if other.lower() not in self._known]


def _begin(found: Found, names: _Names) -> Value:
    """When somebody may begin with a task that is held back there; a time that is set does not unblock it."""
    if found.held == BLOCKED:
        return found.fields.get("not_before") if names.waits(found) else HELD
    return found.fields.get("not_before") or HELD


def key_of(found: Found) -> Key:
    """The key of a record here. Raises InvalidName."""
    name = plain_name(found.id)
    if name is None:
        raise InvalidName("no name can be made of this id", hint="change it there")
    return Key.of(found.kind, name)


def _number(id: str) -> str:
    match = _NUMBER.search(id)
    return match[0] if match else ""
