"""The keys in Redis, all of them.

What other agents read has the names that are known among them (`agents:status:…`, `task:claim:…`); the truth
lies beside it under `mdcoord:`.

| key | type | what it holds |
|---|---|---|
| `mdcoord:{kind}:{id}` | hash | a document: `text` (exact, the truth), `json` (its fields), `lease` |
| `mdcoord:index:{kind}` | sorted set | the ids of a kind, by the revision of their last change |
| `mdcoord:revision` | number, pub/sub | counts changes; the id of what has changed is published there |
| `mdcoord:removals:{kind}` | number | counts removals |
| `mdcoord:alias:{kind}:{name}` | set | the ids of documents whose id field says another name |
| `mdcoord:waiting:{task}`, `mdcoord:later` | set, sorted set | tasks that wait for another, or a time |
| `mdcoord:running`, `mdcoord:tally` | set, hash | the ids of tasks in progress; how many have which status |
| `mdcoord:offered` | hash, expires | whom a pending task was offered a moment ago |
| `mdcoord:archive` | hash | archived documents by their name there |
| `mdcoord:memos:{topic}` | hash | memos by name, as JSON |
| `mdcoord:channels` | hash | how many events of each channel are in its archive |
| `mdcoord:op:{id}` | string, expires | a write that is done, so that it may be repeated after a lost answer |
| `mdcoord:id` | string | names these data and their clock |
| `mdcoord:away` | string | where the workspace has moved to; while it is being moved: `!` and a word |
| `mdcoord:plain` | set | where no workspace is: the keys that were copied there for others |
| `mdcoord:json:{kind}:{id}` | JSON | the fields again, where the server has that type |
| `agents:status:{agent}` | JSON or string, expires | the fields of an agent |
| `agents:registry` | hash | the fields of every agent, as JSON |
| `task:claim:{id}` | string, expires | who has a task, as JSON |
| `agent:tasks:{agent}` | set | the ids of the tasks that an agent has |
| `tasks:priority_queue` | sorted set | pending tasks, as JSON with their `id`, by priority |
| `{channel}:events` | pub/sub | each event as it is published, as JSON |
| `events:{channel}:history`, `…:archive` | list | its events, newest first; those that were rotated |
| `metrics:agents:completions`, `metrics:agents:stats:{agent}` | sorted set, hash | ends of tasks; sums |
| `coord:msg:{id}` | string | a message, as JSON |
| `coord:timeline`, `coord:inbox:{instance}` | sorted set | ids of messages by time |
| `coord:pending` | set | ids of messages that nobody has acknowledged |
| `coord:notifications:{instance}` | list | ids of notifications that wait for an instance |
| `coord:presence` | hash | who was seen when, as JSON |

A prefix stands before each; COORD_KEY_PREFIX names what stands in the place of `coord`.
"""

from __future__ import annotations

from mdcoord.model import Key


class Keys:
    """Builds the keys of one workspace."""

    def __init__(self, prefix: str = "", coord: str = "coord") -> None:
        self.prefix = prefix
        self._own = own = f"{prefix}mdcoord:"
        self.identity = f"{own}id"
        self.away = f"{own}away"
        self.plain = f"{own}plain"
        self.revision = f"{own}revision"
        self.archive = f"{own}archive"
        self.channels = f"{own}channels"
        self.registry = f"{prefix}agents:registry"
        self.queue = f"{prefix}tasks:priority_queue"
        self.later = f"{own}later"
        self.offered = f"{own}offered"
        self.running = f"{own}running"
        self.tally = f"{own}tally"
        self.completions = f"{prefix}metrics:agents:completions"
        self._coord = coord = f"{prefix}{coord.rstrip(':')}:"
        self.timeline = f"{coord}timeline"
        self.pending = f"{coord}pending"
        self.presence = f"{coord}presence"

    def document(self, key: Key) -> str:
        """A document."""
        return f"{self._own}{key.kind}:{key.id}"

    def json(self, key: Key) -> str:
        """The fields of a document that has no place among others' keys, for the JSON type."""
        return f"{self._own}json:{key.kind}:{key.id}"

    def index(self, kind: str) -> str:
        """The ids of a kind."""
        return f"{self._own}index:{kind}"

    def removals(self, kind: str) -> str:
        """Counts the documents of a kind that were removed."""
        return f"{self._own}removals:{kind}"

    def memos(self, topic: str) -> str:
        """The memos of a topic."""
        return f"{self._own}memos:{topic}"

    def alias(self, kind: str, name: str) -> str:
        """The ids of the documents of a kind whose id field gives them this name."""
        return f"{self._own}alias:{kind}:{name}"

    def waiting(self, task: str) -> str:
        """The tasks that wait until a task is completed."""
        return f"{self._own}waiting:{task}"

    def operation(self, op: str) -> str:
        """One write that is done."""
        return f"{self._own}op:{op}"

    def history(self, channel: str) -> str:
        """The events of a channel."""
        return f"{self.prefix}events:{channel}:history"

    def rotated(self, channel: str) -> str:
        """The events of a channel that were rotated."""
        return f"{self.prefix}events:{channel}:archive"

    def feed(self, channel: str) -> str:
        """Where the events of a channel are published; not a key."""
        return f"{self.prefix}{channel}:events"

    def status(self, agent: str) -> str:
        """An agent as others read it."""
        return f"{self.prefix}agents:status:{agent}"

    def claim(self, task: str) -> str:
        """The claim on a task as others read it."""
        return f"{self.prefix}task:claim:{task}"

    def held(self, agent: str) -> str:
        """The tasks that an agent has."""
        return f"{self.prefix}agent:tasks:{agent}"

    def stats(self, agent: str) -> str:
        """What an agent has done, in sums."""
        return f"{self.prefix}metrics:agents:stats:{agent}"

    def message(self, id: str) -> str:
        """A message as others read it."""
        return f"{self._coord}msg:{id}"

    def inbox(self, instance: str) -> str:
        """The messages to an instance."""
        return f"{self._coord}inbox:{instance}"

    def notifications(self, instance: str) -> str:
        """The notifications that wait for an instance."""
        return f"{self._coord}notifications:{instance}"
