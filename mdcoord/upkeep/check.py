"""Looking for what is wrong in a workspace. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Listing
from mdcoord.errors import ConfigError, InvalidDocument, MdcoordError, NotFound
from mdcoord.formats.document import Document
from mdcoord.formats.views import find_views
from mdcoord.host import Host, seconds_of, timestamp
from mdcoord.layout import STATE, second_state
from mdcoord.model import DOCUMENTS, ID_FIELD, Record, Value
from mdcoord.moving.leftbehind import FOLDER, LeftBehind
from mdcoord.moving.mirroring import MIRRORS
from mdcoord.rules.leases import MAX_SKEW, unknown_claim
from mdcoord.rules.readiness import ENDED, dependencies, statuses
from mdcoord.rules.standing import IN_PROGRESS
from mdcoord.shapes import faults

STAMPS: Final = (
    "created_at",
    "assigned_at",
    "started_at",
    "updated_at",
    "completed_at",
    "registered_at",
    "last_updated",
    "last_heartbeat",
)
"""Fields that say when something happened, so that none of them can lie in the future."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do about it."""

    path: str
    message: str
    line: int | None = None
    hint: str = ""

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return asdict(self)


def check_workspace(
    backend: Backend, host: Host, root: Path | None = None, settings: Iterable[ConfigError] = ()
) -> list[Finding]:
    """Everything that is found, by path.

    Files that cannot be read, views that are not closed, logs with problems, duplicate ids, known fields with
    values that cannot be used, dependencies on tasks that do not exist or in a circle, tasks in progress that
    name nobody, stamps in the future, what was found in the `settings`, and a second place with claims (for a
    workspace that has a root).
    """
    findings: list[Finding] = [*_second_state(root), *_left_behind(backend, root)] if root else []
    findings += _settings(settings)
    tasks: Sequence[Record] = ()
    for kind in DOCUMENTS:
        listing = backend.list(kind)
        tasks = listing.records if kind == "task" else tasks
        findings += _unreadable(listing)
        findings += _duplicates(kind, listing.records)
        findings += _future(listing.records, host.now())
        findings += _overruled(backend, listing.records)
        findings += _misshapen(backend, listing.records)
        findings += _views(backend, listing.records)
    findings += _dependencies(tasks)
    findings += _nobodys(backend, tasks)
    findings += _logs(backend)
    findings += _set_aside(backend)
    return sorted(findings, key=lambda finding: (finding.path, finding.line or 0, finding.message))


def _second_state(root: Path) -> Iterator[Finding]:
    other = second_state(root)
    if other:
        yield Finding(
            str(other),
            f"claims are kept here and in {root / STATE}, which is the one that counts",
            hint="use this workspace from one place only, and move this folder away when nobody is at work",
        )


def _left_behind(backend: Backend, root: Path) -> Iterator[Finding]:
    left = LeftBehind(root)
    mirrored = any(memo["folder"] == str(root) for memo in backend.memos(MIRRORS).values())
    for path in left.late():
        problem, line = left.problem(path), None
        if problem:
            message, hint = f"the workspace has nothing of it: {problem.message}", problem.hint
            line = problem.details.get("line")
        elif mirrored:
            message = "the workspace has not what was saved here: no mirror has looked since"
            hint = "run `mdcoord mirror`: it takes it there, or says what is in the way"
        else:
            message = "it was saved after the workspace had moved to Redis, and nobody reads it there"
            hint = f"bring what is new in it into the workspace, then remove it (see also archive/{FOLDER}/)"
        yield Finding(str(path), message, line, hint)


def _settings(errors: Iterable[ConfigError]) -> Iterator[Finding]:
    for error in errors:
        place = error.details.get("path") or error.details["variable"]
        yield Finding(place, error.message, error.details.get("line"), error.hint)


def _unreadable(listing: Listing) -> Iterator[Finding]:
    for found in listing.unreadable:
        yield Finding(found.path, found.message, found.line, found.hint)


def _duplicates(kind: str, records: Sequence[Record]) -> Iterator[Finding]:
    field = ID_FIELD[kind]
    by_id: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        value = str(record.fields.get(field, record.key.id)).lower().removeprefix(f"{kind}-")
        by_id[value].append(record)
    for value, several in by_id.items():
        for record in several if len(several) > 1 else ():
            others = ", ".join(_path(other) for other in several if other is not record)
            yield Finding(
                _path(record),
                f"{field} {value} is also in {others}",
                hint=f"give one of them another {field}",
            )


def _future(records: Sequence[Record], now: float) -> Iterator[Finding]:
    for record in records:
        for name in STAMPS:
            seconds = seconds_of(record.fields.get(name))
            if seconds is not None and seconds > now + MAX_SKEW:
                yield Finding(
                    _path(record),
                    f"{name} lies in the future: {record.fields[name]} (now it is {timestamp(now)})",
                    hint="correct it, or the clock of the machine that wrote it",
                )


def _misshapen(backend: Backend, records: Sequence[Record]) -> Iterator[Finding]:
    for record in records:
        for name, wrong in faults(record.key.kind, record.fields):
            yield Finding(
                _path(record),
                wrong,
                _line_of(backend, record, name),
                hint="correct it; a value that cannot be used may count as none",
            )


def _line_of(backend: Backend, record: Record, name: str) -> int | None:
    """The line of a field in its file, where it stands at the beginning of one."""
    try:
        lines = backend.text(record.key).splitlines()
    except MdcoordError:
        return None  # it went away, or changed so that it cannot be read
    starts = (f"{name}:", f'"{name}":', f"'{name}':")
    return next((number for number, line in enumerate(lines, 1) if line.startswith(starts)), None)


def _views(backend: Backend, records: Sequence[Record]) -> Iterator[Finding]:
    """Views that are not closed: such a document can be read, and no write can change it."""
    for record in records:
        try:
            find_views(record.body)
        except InvalidDocument:
            yield from _broken_view(backend, record)


def _broken_view(backend: Backend, record: Record) -> Iterator[Finding]:
    try:
        document = Document.parse(backend.text(record.key))
        find_views(document.body, where=_path(record), line=document.body_line)
    except InvalidDocument as error:
        yield Finding(_path(record), error.message, error.details["line"], error.hint)
    except NotFound:
        return  # it went away just now


def _overruled(backend: Backend, records: Sequence[Record]) -> Iterator[Finding]:
    for record in records:
        names = backend.overruled(record)
        if names:
            yield Finding(
                _path(record),
                f"its text is older than what the tool wrote ({', '.join(names)}); "
                "the updates since count, and come back with the next write",
                hint="to go back on purpose, set these fields with the tool (`mdcoord task update`)",
            )


def _dependencies(tasks: Sequence[Record]) -> Iterator[Finding]:
    known = statuses(tasks)
    edges = {record.key.id: dependencies(record.fields) for record in tasks}
    for record in tasks:
        for other in edges[record.key.id]:
            if other not in known and known[record.key.id] not in ENDED:
                yield Finding(
                    _path(record),
                    f"it depends on task {other}, which does not exist",
                    hint="make that task, restore it from the archive, or take it out of depends_on",
                )
        if _reaches(edges, record.key.id):
            yield Finding(
                _path(record),
                "it depends on itself, directly or through others",
                hint="break the circle in depends_on",
            )


def _reaches(edges: dict[str, list[str]], start: str) -> bool:
    seen: set[str] = set()
    ahead = list(edges[start])
    while ahead:
        task = ahead.pop()
        if task == start:
            return True
        if task not in seen:
            seen.add(task)
            ahead += edges.get(task, ())
    return False


def _nobodys(backend: Backend, tasks: Sequence[Record]) -> Iterator[Finding]:
    """Tasks in progress that nobody can go on with. Where an agent is named, it may be at work elsewhere."""
    for record in tasks:
        if record.fields.get("status") != IN_PROGRESS or record.fields.get("assigned_agent"):
            continue
        lease = backend.lease(record.key)
        if not (lease and lease.holder and lease.holder.session):
            state, hint = unknown_claim("", record.key.id)
            yield Finding(_path(record), f"it is {state}", hint=hint)


def _logs(backend: Backend) -> Iterator[Finding]:
    for channel in backend.channels():
        for found in backend.problems(channel):
            yield Finding(found.path, found.message, found.line, found.hint)


def _set_aside(backend: Backend) -> Iterator[Finding]:
    for path in backend.set_aside():
        yield Finding(
            path,
            "this save could not be merged into its document",
            hint="copy what you need of it into the document, then remove it",
        )


def _path(record: Record) -> str:
    return record.path or record.key.name
