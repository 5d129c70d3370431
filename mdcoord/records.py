"""Records by kind: read-only mappings of a document's fields, with its known fields as typed attributes.

`task["loss_goal"]` finds any key that somebody wrote, `task.title` a known one. Files are edited by hand, so
a value of another type than its attribute promises reads as absent there; `task["priority"]` has it as it is.

mdcoord's own facts stand beside the fields with an underscore: `_kind`, `_id`, `_version`, `_path`, `_body`,
and `_ready` and `_stale` for tasks, `_presence`, `_last_seen` and `_stale` for agents. They win over a key
that somebody wrote: programs rely on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar, overload

from mdcoord.host import seconds_of
from mdcoord.model import Key, Record, Value
from mdcoord.rules.leases import Holder, Lease

T = TypeVar("T")

Own = Mapping[str, Callable[[Record], Value]]
"""Facts that are worked out when asked for: `_ready`, `_stale`."""


class Field(Generic[T]):
    """An attribute that reads the field of its own name, whose values are `shape` in words."""

    def __init__(self, shape: str, types: tuple[type, ...], default: Callable[[], T]) -> None:
        self.shape = shape
        self._types = types
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, record: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, record: TypedRecord, owner: type) -> T: ...
    def __get__(self, record: TypedRecord | None, owner: type) -> T | Field[T]:
        if record is None:
            return self
        value: Any = record.fields.get(self._name)
        return value if self.fits(value) else self._default()

    def fits(self, value: object) -> bool:
        """Whether a value is of the type that the attribute promises."""
        return isinstance(value, self._types) and not isinstance(value, bool)


def _text() -> Field[str | None]:
    return Field[str | None]("a text", (str,), lambda: None)


def _number() -> Field[float | None]:
    return Field[float | None]("a number", (int, float), lambda: None)


def _whole() -> Field[int]:
    return Field[int]("a whole number", (int,), int)


def _list() -> Field[list[Any]]:
    return Field[list[Any]]("a list", (list,), list)


def _mapping() -> Field[dict[str, Any]]:
    return Field[dict[str, Any]]("a mapping", (dict,), dict)


class TypedRecord(Mapping[str, Any]):
    """One document as it was read. Iterating gives the fields and mdcoord's own facts, without the body."""

    __slots__ = ("_own", "record")
    kind: ClassVar[str] = ""

    def __init__(self, record: Record, own: Own | None = None) -> None:
        self.record = record
        self._own: Own = own or {}

    @property
    def fields(self) -> Mapping[str, Value]:
        """The front matter."""
        return self.record.fields

    @property
    def key(self) -> Key:
        """The kind and the id."""
        return self.record.key

    @property
    def id(self) -> str:
        """The id without the kind's prefix: `123` for `task-123.md`."""
        return self.record.key.id

    @property
    def body(self) -> str:
        """The text below the front matter."""
        return self.record.body

    @property
    def version(self) -> str:
        """What to pass as `expect` so that a write relies on this state."""
        return self.record.version

    @property
    def path(self) -> str | None:
        """The file; None where the backend has no files."""
        return self.record.path

    def __getitem__(self, name: str) -> Value:
        if name in self._own:
            return self._own[name](self.record)
        if name in _FACTS:
            return _FACTS[name](self.record)
        return self.record.fields[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.record.fields
        for name in (*_LISTED, *self._own):
            if name not in self.record.fields:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedRecord) and self.record == other.record

    __hash__ = None  # type: ignore[assignment]

    def as_dict(self) -> dict[str, Value]:
        """The porcelain form: the fields at the top level, mdcoord's own facts beside them."""
        # The same as dict(self) at a fraction of the cost: lists of ten thousand are printed by it.
        fields = self.record.fields
        facts = {
            name: fact(self.record) for name, fact in _FACTS.items() if name in _LISTED or name in fields
        }
        return {**fields, **facts, **{name: own(self.record) for name, own in self._own.items()}}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.fields.get('title') or self.fields.get('status')}>"


_FACTS: Final[dict[str, Callable[[Record], Value]]] = {
    "_kind": lambda record: record.key.kind,
    "_id": lambda record: record.key.id,
    "_version": lambda record: record.version,
    "_path": lambda record: record.path,
    "_body": lambda record: record.body,
}
_LISTED: Final = ("_kind", "_id", "_version", "_path")


class Task(TypedRecord):
    """A piece of work. `progress` is 0 to 1, `attempt` the number of the last claim."""

    __slots__ = ()
    kind = "task"
    task_id = _text()
    project_id = _text()
    title = _text()
    type = _text()
    assigned_agent = _text()
    needs = _list()
    depends_on = _list()
    conflicts_with = _list()
    not_before = _text()
    attempt = _whole()
    created_at = _text()
    assigned_at = _text()
    started_at = _text()
    updated_at = _text()
    completed_at = _text()
    eta = _text()
    progress = _number()
    metadata = _mapping()
    instructions = _text()
    context = _list()
    acceptance = _list()
    next_steps = _list()
    logs = _list()
    error = _text()
    workflow = _text()
    phase = _text()

    @property
    def status(self) -> str:
        """pending, in_progress, completed, failed, dead, cancelled, or what somebody wrote."""
        return str(self.fields.get("status") or "pending")

    @property
    def priority(self) -> float:
        """Higher is handed out first; 0 when nothing is said."""
        value = self.fields.get("priority")
        return value if isinstance(value, int | float) and not isinstance(value, bool) else 0

    @property
    def result(self) -> Value:
        """What the task gave, any JSON value."""
        return self.fields.get("result")

    @property
    def holder(self) -> Holder | None:
        """Who holds it, as far as it was read with its claim (`get` does, listings do not)."""
        lease: Lease | None = self.record.lease
        return lease.holder if lease else None

    @property
    def ready(self) -> bool:
        """Whether an agent that has what it needs can claim it now."""
        return bool(self["_ready"]) if "_ready" in self else False

    @property
    def stale(self) -> bool:
        """Whether it is in progress and nobody wrote to it for long."""
        return bool(self["_stale"]) if "_stale" in self else False


class Agent(TypedRecord):
    """Somebody who works: a coding agent, a script, a person."""

    __slots__ = ()
    kind = "agent"
    agent_id = _text()
    agent_type = _text()
    status = _text()
    capabilities = _list()
    specializations = _list()
    host = _text()
    pid = _whole()
    session = _text()
    registered_at = _text()
    last_updated = _text()
    last_heartbeat = _text()
    max_concurrent_tasks = _whole()
    metrics = _mapping()
    active_tasks = _list()
    recent_completions = _list()
    circuit_breaker = _mapping()
    notes = _text()

    @property
    def seen(self) -> float | None:
        """When it last gave a sign of life, in seconds since 1970; None when its document does not say."""
        stamps = (self.last_heartbeat, self.last_updated, self.registered_at)
        return max((seconds for stamp in stamps if (seconds := seconds_of(stamp)) is not None), default=None)

    @property
    def stale(self) -> bool:
        """Whether it gave no sign of life for long."""
        return bool(self["_stale"]) if "_stale" in self else False

    @property
    def presence(self) -> str:
        """`online`, `stale` or `offline` (see `mdcoord.rules.presence`); "" where nobody looked."""
        return str(self["_presence"]) if "_presence" in self else ""


class Context(TypedRecord):
    """What one agent found out and others use: `data` is the JSON block."""

    __slots__ = ()
    kind = "context"
    context_id = _text()
    project_id = _text()
    domain = _text()
    title = _text()
    created_by = _text()
    created_at = _text()
    last_updated = _text()
    data = _mapping()


class Metrics(TypedRecord):
    """Figures: `values` are the latest, `samples` the history, oldest first."""

    __slots__ = ()
    kind = "metrics"
    metrics_type = _text()
    title = _text()
    last_updated = _text()
    samples = _list()

    # Mapping has a method `values`, so the figures have another name here; the field is called `values`.
    @property
    def latest(self) -> dict[str, Any]:
        """The field `values`: the newest value of each figure."""
        found = self.fields.get("values")
        return found if isinstance(found, dict) else {}


class Progress(TypedRecord):
    """How far a project is. `progress` is 0 to 1."""

    __slots__ = ()
    kind = "progress"
    project_id = _text()
    title = _text()
    phase = _text()
    status = _text()
    progress = _number()
    steps_done = _whole()
    steps_total = _whole()
    phases = _list()
    blockers = _list()
    last_updated = _text()


class Message(TypedRecord):
    """One message between instances. Without `to` it is for all but its sender."""

    __slots__ = ()
    kind = "message"
    message_id = _text()
    type = _text()
    subject = _text()
    description = _text()
    to = _text()
    created_at = _text()
    in_reply_to = _text()
    acks = _list()

    # `from` is a word of Python.
    @property
    def sender(self) -> str | None:
        """The field `from`: who sent it."""
        value = self.fields.get("from")
        return value if isinstance(value, str) else None

    @property
    def pending(self) -> bool:
        """Whether it waits to be acknowledged: by the caller if it is for him, else by its recipient."""
        return bool(self["_pending"]) if "_pending" in self else False

    def __repr__(self) -> str:
        return f"<Message {self.id} {self.type} {self.subject}>"


class EventRecord(Mapping[str, Any]):
    """One event of a channel.

    A key that is not the event's own (`name`, `time`, `id`, …) is looked up in its data.
    """

    __slots__ = ("channel", "cursor", "data", "id", "name", "time")

    def __init__(
        self, channel: str, name: str, time: str, data: Mapping[str, Value], *, id: str, cursor: str
    ) -> None:
        self.channel = channel
        self.name = name
        self.time = time
        self.data = data
        self.id = id
        self.cursor = cursor

    def _facts(self) -> dict[str, Value]:
        return {
            "_kind": "events",
            "_channel": self.channel,
            "_id": self.id,
            "_cursor": self.cursor,
            "name": self.name,
            "time": self.time,
            "data": dict(self.data),
        }

    def __getitem__(self, name: str) -> Value:
        facts = self._facts()
        return facts[name] if name in facts else self.data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts())

    def __contains__(self, name: object) -> bool:
        return name in self._facts() or name in self.data

    def __len__(self) -> int:
        return len(self._facts())

    def as_dict(self) -> dict[str, Value]:
        """The porcelain form; `data` holds what the publisher gave."""
        return self._facts()

    def __repr__(self) -> str:
        return f"<Event {self.channel} {self.time} {self.name} {dict(self.data)!r}>"


TYPES: Final[dict[str, type[TypedRecord]]] = {
    cls.kind: cls for cls in (Task, Agent, Context, Metrics, Progress, Message)
}
"""The class of each kind of document."""
