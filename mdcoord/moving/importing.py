"""Reading the lines of an export (see `stream`) into a store, which need not be empty.

What is there already stays: the same text or event is passed over, another text of the same name is reported
and left. So an import that was cut off is gone on with by doing it again. At the end every record is read
back and compared.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Copy
from mdcoord.errors import BackendUnavailable, InvalidDocument, NotFound
from mdcoord.host import Host
from mdcoord.model import Value
from mdcoord.moving.importevents import ChannelImport, Fate, Places
from mdcoord.moving.stream import Channel, End, Header, Line, Place, Published, kind_of, parse, version_of
from mdcoord.rules.leases import Lease, carried

_BATCH: Final = 200
"""How many documents are handed to the store at once."""

_ARCHIVE: Final = "archive/"

_LAST: Final = 4096
"""Bytes at the end of a file, among which its last line is."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the records of an import.

    `new` and `same` (it was there already) count them by kind. `different` names those that were left, since
    something else of that name is there; `lost` those that could not be found at the end. From another
    program: `left_out` says what could not be used, `remarks` what has no equivalent here, and how often, and
    `held` names the new tasks that are on hold (see `readiness.HELD`), as they are held back there.
    """

    new: Mapping[str, int] = field(default_factory=dict)
    same: Mapping[str, int] = field(default_factory=dict)
    different: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    dry_run: bool = False
    left_out: tuple[str, ...] = ()
    remarks: Mapping[str, int] = field(default_factory=dict)
    held: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {
            "new": dict(self.new),
            "same": dict(self.same),
            "different": list(self.different),
            "lost": list(self.lost),
            "dry_run": self.dry_run,
            "left_out": list(self.left_out),
            "remarks": dict(self.remarks),
            "held": list(self.held),
        }


class Import:
    """One import into a store. With `dry_run` nothing is written, and the outcome says what would be."""

    def __init__(self, backend: Backend, places: Places, host: Host, *, dry_run: bool = False) -> None:
        self._backend = backend
        self._places = places
        self._dry_run = dry_run
        self._documents = _Documents(backend, host, dry_run)
        self._channel: ChannelImport | None = None
        self._new: Counter[str] = Counter()
        self._same: Counter[str] = Counter()
        self._different: list[str] = []
        self._lost: list[str] = []

    def run(self, lines: Iterable[str | bytes], where: str) -> Imported:
        """Import all lines. Raises InvalidDocument for one that is none, and for a stream that is not whole.

        What came before it is imported then.
        """
        try:
            for item in _checked(lines, where):
                self._take(item)
        except InvalidDocument:
            self._end()
            raise
        self._end()
        return Imported(
            dict(self._new),
            dict(self._same),
            tuple(sorted(self._different)),
            tuple(sorted(self._lost)),
            self._dry_run,
        )

    def _take(self, item: Line) -> None:
        if isinstance(item, Copy):
            self._documents.add(item)
        elif isinstance(item, Channel):
            self._in_channel(item.name)
        elif isinstance(item, Published):
            self._in_channel(item.channel).add(item)
        elif isinstance(item, Place):
            self._in_channel(item.channel).consumer(item)

    def _in_channel(self, name: str) -> ChannelImport:
        if self._channel is None or self._channel.name != name:
            self._end_channel()
            self._channel = ChannelImport(self._backend, name, self._places, dry_run=self._dry_run)
        return self._channel

    def _end(self) -> None:
        self._end_channel()
        self._count(self._documents.fates())

    def _end_channel(self) -> None:
        if self._channel is not None:
            self._count(self._channel.end())
        self._channel = None

    def _count(self, fates: Iterator[Fate]) -> None:
        for kind, name, fate in fates:
            if fate in ("new", "same"):
                (self._new if fate == "new" else self._same)[kind] += 1
            else:
                (self._different if fate == "different" else self._lost).append(name)


class _Documents:
    """The documents of one import: in batches on their way in, as hashes until they are compared."""

    def __init__(self, backend: Backend, host: Host, dry_run: bool) -> None:
        self._backend = backend
        self._host, self._clock = host, backend.clock(host)
        self._dry_run = dry_run
        self._batch: list[Copy] = []
        self._wanted: dict[str, str] = {}
        self._kinds: set[tuple[str, bool]] = set()
        self._made: set[str] = set()

    def add(self, copy: Copy) -> None:
        """Take one document."""
        self._batch.append(copy)
        if len(self._batch) >= _BATCH:
            self._flush()

    def fates(self) -> Iterator[Fate]:
        """Kind, name and fate of each document, as the store has it now."""
        self._flush()
        for kind, archived in sorted(self._kinds):
            for copy in self._backend.copies(kind, archived=archived):
                name = _name_of(copy) if isinstance(copy, Copy) else None
                if isinstance(copy, Copy) and name in self._wanted:
                    same = self._wanted.pop(name) == version_of(copy.text)
                    yield kind, name, "different" if not same else "new" if name in self._made else "same"
        for name in self._wanted:
            kind = name.removeprefix(_ARCHIVE).partition("-")[0]
            yield kind, name, "new" if self._dry_run else "lost"

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        names = [*map(_name_of, batch)]
        self._wanted.update(zip(names, (version_of(copy.text) for copy in batch), strict=True))
        self._kinds.update((copy.key.kind, bool(copy.archived)) for copy in batch)
        if not self._dry_run:
            made = self._backend.put_all([self._with_lease(copy) for copy in batch])
            self._made.update(name for name, is_new in zip(names, made, strict=True) if is_new)

    def _with_lease(self, copy: Copy) -> Copy:
        """The copy with its lease by the clock of the store, unless the name had a later attempt here."""
        lease: Lease | None = copy.lease
        if lease is None:
            return copy
        here: Lease | None = self._backend.lease(copy.key)
        if here is not None and here.attempt > lease.attempt:
            return replace(copy, lease=None)
        if self._clock is self._host:
            return copy
        return replace(copy, lease=carried(lease, self._host, self._clock))


def lines_of(path: str) -> Iterator[bytes]:
    """The lines of a file (or a pipe) that holds an export.

    Raises NotFound, BackendUnavailable, and InvalidDocument before the first line of a file that is no export
    or was cut off.
    """
    try:
        with open(path, "rb") as file:
            if file.seekable():
                _require_whole(file, path)
            yield from file
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", hint="name a file that `mdcoord export` wrote") from None
    except OSError as error:
        raise BackendUnavailable(
            f"{path}: {error.strerror}",
            hint="name a file that `mdcoord export` wrote, or use --from for what other programs wrote",
            path=path,
        ) from None


def _require_whole(file: BinaryIO, where: str) -> None:
    first = file.readline(_LAST)
    if first and not first.startswith(b'{"format":'):
        raise _foreign(where)
    if not _last_line(file).startswith(b'{"end":'):
        raise _cut_off(where)


def _last_line(file: BinaryIO) -> bytes:
    file.seek(-min(_LAST, file.seek(0, os.SEEK_END)), os.SEEK_CUR)
    end = file.read()
    file.seek(0)
    return end.rstrip().rpartition(b"\n")[2]


def _cut_off(where: str) -> InvalidDocument:
    return InvalidDocument(
        f"{where} was cut off: its last line is missing",
        hint="get the whole file and import it again; what was imported already is passed over",
        path=where,
    )


def _foreign(where: str) -> InvalidDocument:
    return InvalidDocument(
        f"{where} does not begin as an export of mdcoord does",
        hint="use --from for what other programs wrote",
        path=where,
        line=1,
    )


def _name_of(copy: Copy) -> str:
    return _ARCHIVE + copy.archived if copy.archived else copy.key.name


def _checked(lines: Iterable[str | bytes], where: str) -> Iterator[Line]:
    """The items of a stream that begins and ends as it should."""
    item: Line | None = None
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if isinstance(item, End) or not line.strip():
            break
        try:
            item = parse(line, where, number)
        except InvalidDocument:
            if line[-1:] not in ("\n", b"\n"):
                raise _cut_off(where) from None
            raise
        if number == 1 and not isinstance(item, Header):
            raise _foreign(where)
        if kind := kind_of(item):
            counts[kind] += 1
        yield item
    if not isinstance(item, End):
        raise _cut_off(where)
    if counts != Counter(item.counts):
        raise InvalidDocument(
            f"{where} is not whole: its last line counts {dict(item.counts)}, and there are {dict(counts)}",
            hint="get the whole file and import it again; what was imported already is passed over",
            path=where,
        )
