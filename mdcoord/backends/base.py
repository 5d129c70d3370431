"""The contract of a backend: where documents, leases and event logs live.

Services are written against this class alone and know no path and no server. A key, a version, an
expectation:

* a *key* (kind, id) names a document; its *text* is the truth, `fields` and `body` are read from it;
* a *version* is opaque and compared for equality only;
* `expect` says what a write relies on: a version as read, ABSENT or ANY. A write that finds
  something else raises Conflict (NotFound where there is nothing) and changes nothing.

Beside each document a backend keeps one *lease*: volatile claim state that is never in git, read and written
under the same lock as the document (`mdcoord.rules.leases`). Beside all documents it keeps *memos*, what
services note for themselves: small JSON values by topic and name, volatile and never in git either. A memo
may be lost or go back to an older value (a power cut, somebody who clears the state), so whoever keeps one
stays right without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Protocol, Self

from mdcoord.backends.naming import names
from mdcoord.backends.refusals import nothing
from mdcoord.backends.values import Copy, Event, Listing, Unreadable
from mdcoord.errors import AlreadyExists, NotFound, UsageError
from mdcoord.host import Host
from mdcoord.model import ABSENT, ANY, ID_FIELD, Change, Expect, Key, Record, Value

Decide = Callable[[Record], Change | None]
"""Looks at the current record, under its lock, and returns what to change; None means nothing.

May raise to refuse.
"""

Revise = Callable[[Value], Value]
"""Looks at a memo, under its lock (None: there is none), and returns what it is to be (None: none)."""

DEFAULT_WAIT: Final = 10.0
"""Seconds that a write waits for a lock before it raises Busy."""


class Gate(Protocol):
    """Who moves a workspace away, while nobody else writes."""

    def keep(self) -> None:
        """Say that the move is still going on, at least every 10 seconds. Raises Busy when it took too long.

        Then others write again, and it has to begin anew.
        """

    def leave(self, place: str) -> None:
        """Say where the workspace lives from now on: whoever reads or writes here is told (see `Moved`).

        Raises Busy like `keep`; then nothing was changed.
        """


class Changes(ABC):
    """Somebody is being told of changes. `count` is another number after each of them."""

    count: int

    @abstractmethod
    def close(self) -> None:
        """Be told no longer. May be called again."""


class Shelf(ABC):
    """The tasks that may be claimed, as a store keeps them that knows their order itself.

    What it shows is only a hint, as a listing is: the document and the lease decide. One object serves one
    process, and any number of its threads.
    """

    @abstractmethod
    def open(self) -> Iterator[Record]:
        """The pending tasks with their leases, best first (see `readiness.rank`), read little by little.

        All that can be claimed are among them, and perhaps some that cannot. What is given out here is not
        given to other processes for a fraction of a second, unless nothing else is left.
        """

    @abstractmethod
    def held(self) -> Sequence[Record]:
        """The tasks that are in progress by their documents, with their leases."""

    @abstractmethod
    def tally(self) -> Mapping[str, int]:
        """How many tasks have which status."""

    @abstractmethod
    def wait_until(self, record: Record, moment: float) -> None:
        """Nobody can claim this task before this time (seconds since 1970): do not show it until then."""

    @abstractmethod
    def wait_for(self, record: Record, other: str) -> None:
        """Nobody can claim this task until the other one, by its id, is completed: do not show it till then.

        Nothing happens if the other is completed already, or this task has changed since it was read.
        """

    @abstractmethod
    def forget(self) -> None:
        """Ask the store again: this process has changed something."""


class Backend(ABC):
    """Abstract store. All methods are safe to call from several threads and processes."""

    name: str = ""
    location: str = ""
    forkable: bool = False
    """Whether a process that was forked may go on reading from it."""

    @property
    def durability(self) -> str:
        """What an acknowledged write survives, in a word, where the store decides that; else ""."""
        return ""

    @property
    def data(self) -> str | None:
        """What names the data of a server; None where it has none yet, and of a store that is no server."""
        return None

    @property
    def waits(self) -> int:
        """How often this process found a lock of such a store taken and had to wait, as far as it counts."""
        return 0

    # -- documents

    @abstractmethod
    def read(self, key: Key) -> Record:
        """The document as it stands, with its lease. Never writes, never waits for a lock.

        Raises NotFound, InvalidDocument.
        """

    @abstractmethod
    def create(
        self, kind: str, fields: Mapping[str, Any], *, body: str = "", name: str | None = None
    ) -> Record:
        """Make a document; without a name the backend chooses a short random one. Raises AlreadyExists.

        `schema` and the kind's id field are put first and filled in when missing.
        """

    @abstractmethod
    def write(
        self, key: Key, change: Change | Decide, expect: Expect = ANY, *, wait: float = DEFAULT_WAIT
    ) -> Record:
        """Change one document atomically and return it as it now stands.

        A callable is called under the document's lock with the current record and decides what to change
        (it must be quick, free of side effects and may be called again when someone else saved the file
        meanwhile). `wait` is the longest time in seconds to wait for the lock; 0 means do not wait. Raises
        NotFound, Conflict, Busy, InvalidDocument, NotDurable, and whatever the callable raises.
        """

    @abstractmethod
    def delete(self, key: Key, expect: Expect = ANY) -> None:
        """Remove a document; its lease stays, as it does when it is archived. Raises NotFound, Conflict."""

    @abstractmethod
    def list(self, kind: str, *, max_age: float = 0.0) -> Listing:
        """Every document of a kind, by id. `max_age` (seconds) allows an answer that old; 0 means now.

        Leases are not filled in: use `lease(key)`. An older answer may have new documents at its end.
        """

    @abstractmethod
    def text(self, key: Key) -> str:
        """The document's exact text. Raises NotFound."""

    @abstractmethod
    def exists(self, key: Key) -> bool:
        """Whether there is a document of this name, readable or not."""

    def resolve(self, kind: str, name: str) -> Key:
        """The key of the document that `name` means: its file's name, or else the value of its id field.

        Raises NotFound (also when the id field of several documents has this value), InvalidName.
        """
        key = Key.of(kind, name)
        if self.exists(key):
            return key
        return self._by_id_field(key, name)

    def _by_id_field(self, key: Key, name: str) -> Key:
        field, found = ID_FIELD[key.kind], self._named(key)
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(other.name for other in found)
            raise NotFound(
                f"several documents have the {field} {name}: {several}", hint="use the file's name"
            )
        raise nothing(key)

    def _named(self, key: Key) -> Sequence[Key]:
        """The documents whose id field says this name."""
        field = ID_FIELD[key.kind]
        return [record.key for record in self.list(key.kind).records if names(record.fields.get(field), key)]

    # -- claims

    @abstractmethod
    def lease(self, key: Key) -> Any:
        """The lease beside a document, or None. Cheap; never waits for a lock."""

    def attempt(self, key: Key) -> int:
        """The number of the last claim on a task, 0 before the first. At most as expensive as `lease`."""
        lease = self.lease(key)
        return lease.attempt if lease else 0

    def clock(self, host: Host) -> Host:
        """The machine as claims in this store see it: a store that several machines share has one clock."""
        return host

    def shelf(self) -> Shelf | None:
        """The queue of tasks, where the store keeps it itself; None where only a listing tells."""
        return None

    # -- archive

    @abstractmethod
    def archive(self, key: Key, check: Decide | None = None) -> str:
        """Move a document to the archive and return its name there.

        `check` is called under the document's lock and may raise to refuse. Raises NotFound.
        """

    @abstractmethod
    def restore(self, name: str) -> Record:
        """Bring a document back from the archive by its name there. Raises NotFound, AlreadyExists."""

    @abstractmethod
    def archived(self) -> Sequence[str]:
        """The names of all archived documents and logs, sorted."""

    # -- events

    @abstractmethod
    def append(
        self, channel: str, name: str, data: Mapping[str, Any], *, time: str, id: str | None = None
    ) -> Event:
        """Add one event to the end of a channel, atomically, and return it with its cursor.

        Makes the channel. With an `id` that one of the newest 64 events has, that event is returned and
        nothing is added, so that an append whose answer was lost may be repeated. Raises UsageError for what
        no event can hold.
        """

    @abstractmethod
    def tail(self, channel: str, after: str | None = None, limit: int | None = None) -> Iterator[Event]:
        """Complete events of a channel in order, after a cursor (None: from the oldest that is in the log).

        A cursor older than the last rotation goes on in the archive: no event is skipped. Raises NotFound
        for a channel that does not exist and UsageError for a text that never was a cursor of this channel.
        """

    @abstractmethod
    def start(self, channel: str) -> str:
        """The place before the oldest event that is in the log now, as a cursor that is good for ever.

        Of a channel that does not exist: the place before the first event that it will ever have.
        """

    @abstractmethod
    def last(self, channel: str, count: int) -> Sequence[Event]:
        """The newest `count` events of the log, oldest first; costs the same on a short and on a long log."""

    @abstractmethod
    def channels(self) -> Sequence[str]:
        """The names of all channels, sorted."""

    @abstractmethod
    def rotate(self, channel: str, keep: int) -> int:
        """Move all but the newest `keep` events to the archive and return how many. Cursors stay valid."""

    @abstractmethod
    def history(self, channel: str) -> Iterator[Event]:
        """All events that a channel ever had and still knows, the archived ones first. Raises NotFound."""

    def problems(self, channel: str) -> Sequence[Unreadable]:
        """What readers of a channel's log pass over, and what was changed in it by hand. Raises NotFound."""
        return ()

    # -- memos

    @abstractmethod
    def memo(self, topic: str, name: str) -> Value:
        """A memo, None where there is none. Cheap; never writes, never waits for a lock.

        Raises InvalidName for a topic or a name that no document could have.
        """

    @abstractmethod
    def memos(self, topic: str) -> Mapping[str, Value]:
        """All memos of a topic by their names, sorted."""

    @abstractmethod
    def keep(self, topic: str, name: str, revise: Revise, *, wait: float = DEFAULT_WAIT) -> Value:
        """Change a memo atomically and return it as it now stands.

        `revise` must be quick and free of side effects. `wait` is as in `write`. Raises InvalidName, Busy,
        BackendUnavailable.
        """

    def topics(self) -> Sequence[str]:
        """The topics of which there are memos, sorted."""
        raise _stays(self)

    # -- being told of changes

    def changes(self, ring: Callable[[], None], channel: str | None = None) -> Changes | None:
        """Have `ring` called soon after documents change, or with a channel, after an event in it.

        It is called from a thread of its own, perhaps too often. None where the store cannot tell: then one
        looks again and again. Looking now and then is right in any case, as a broken line tells nothing.
        """
        return None

    # -- moving to another store

    @abstractmethod
    def copies(self, kind: str, *, archived: bool = False) -> Iterator[Copy | Unreadable]:
        """Every document of a kind (or every archived one), by id: one at a time, however many there are.

        The text is what the document means, so that a save which is still to be merged is in it. One that
        cannot be read comes with the text as it is; Unreadable is only what is no text at all. What is made
        or removed meanwhile may be left out. Logs are no documents here: see `history`.
        """

    def copy(self, key: Key) -> Copy | Unreadable | None:
        """One document as `copies` gives it; None where there is none."""
        return next(iter([*self.copies_of(key.kind, [key.id])]), None)

    def copies_of(self, kind: str, ids: Sequence[str]) -> Iterator[Copy | Unreadable]:
        """Those of these documents that are there, as `copies` gives them."""
        wanted = {*ids}
        return (copy for copy in self.copies(kind) if copy.key.id in wanted)

    def digests(self, kind: str, ids: Sequence[str]) -> Mapping[str, str]:
        """What names their texts and leases (see `Copy.digest`), by id, but for those that are no text."""
        found = self.copies_of(kind, ids)
        return {copy.key.id: copy.digest for copy in found if isinstance(copy, Copy)}

    def ids(self, kind: str) -> Sequence[str]:
        """The ids of all documents of a kind, sorted."""
        return sorted(self.marks(kind))

    def marks(self, kind: str) -> Mapping[str, Value]:
        """For every document of a kind, by id, a value that is another one once it or its lease changed.

        None where that cannot be told for sure.
        """
        copies = self.copies(kind)
        return {copy.key.id: copy.digest if isinstance(copy, Copy) else None for copy in copies}

    def left_leases(self, kind: str) -> Mapping[str, Any]:
        """The leases that documents of a kind have left behind which are gone, by id."""
        return {}

    @abstractmethod
    def put(self, copy: Copy, expect: Expect = ABSENT) -> str:
        """Store exactly this text, readable or not, and return its version.

        A lease of None leaves the one that is there. With a version or ANY it replaces a document that is in
        use; its new text has to be readable then. Raises AlreadyExists (also for a name that is taken in the
        archive), NotFound, Conflict, Busy, InvalidName, InvalidDocument.
        """

    def put_all(self, copies: Sequence[Copy]) -> Sequence[bool]:
        """`put` many that are to be new; for each, whether it was. A name that is taken stays as it is."""
        return [self._put_new(copy) for copy in copies]

    def _put_new(self, copy: Copy) -> bool:
        try:
            self.put(copy)
        except AlreadyExists:
            return False
        return True

    @abstractmethod
    def extend(self, channel: str, events: Sequence[Event]) -> None:
        """Add events to the end of a channel in one step, with their ids, times and texts as they are.

        Makes the channel, also for no events. The cursors are new, and so may be the ids that begin with
        `hand-`: they tell a place. Nothing is compared with what is there. Raises UsageError, Busy.
        """

    def moving(self, wait: float = DEFAULT_WAIT) -> AbstractContextManager[Gate]:
        """Keep everybody from writing, for a moment, so that the last changes can be copied.

        Whoever writes waits; reads go on. `Gate.leave` ends it for good, the end of the block without it
        lets all go on here, and so does the death of this process. `wait` is the longest time in seconds to
        wait for a write that has begun, or for another move. Raises Busy, Moved, UsageError for a store that
        cannot be left.
        """
        raise _stays(self)

    def arrive(self) -> None:  # noqa: B027  # most stores need not be told
        """The workspace lives here from now on, also where it had moved away from here before."""

    # -- what people and killed writers leave behind

    def overruled(self, record: Record) -> Sequence[str]:
        """The fields, sorted, for which later updates count and not what the document's text says.

        So it is after somebody put an older version in its place, until the next write.
        """
        return ()

    def set_aside(self) -> Sequence[str]:
        """Where saves lie that could not be merged into their document."""
        return ()

    def sweep(self) -> None:
        """Clear up after writers that were killed: what may be somebody's work is merged or set aside.

        Raises Busy, InvalidDocument, BackendUnavailable.
        """
        return

    # -- the end

    def close(self) -> None:  # noqa: B027  # a backend that holds nothing open has nothing to do
        """Let go of what is held open. May be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _stays(backend: Backend) -> UsageError:
    return UsageError(
        f"a workspace cannot be moved away from {backend.name}",
        hint="export it, and import it elsewhere: mdcoord export, mdcoord import",
    )
