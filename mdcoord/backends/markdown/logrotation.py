"""Moving the oldest events of a log to its archive.

Two steps, each atomic: the events are added to the archive of the day, then the shorter log is swapped in.
A crash between them leaves the events in both, which readers expect; the next rotation sees what the
archive has already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from mdcoord.backends.markdown.logappend import mend
from mdcoord.backends.markdown.logarchive import Known
from mdcoord.backends.markdown.logfile import LogFile, content
from mdcoord.backends.markdown.logview import LogView, viewing
from mdcoord.errors import BackendUnavailable, NotDurable
from mdcoord.formats import eventlog, loghead
from mdcoord.formats.eventlog import Span


class _Plan(NamedTuple):
    """What goes (`gone`: in reading order, from the offset `first` on) and what stays."""

    first: int
    gone: list[Span]
    kept: bytes
    moved: int

    @property
    def text(self) -> bytes:
        return b"".join(span.data for span in self.gone)

    @property
    def beyond(self) -> int:
        return self.first + len(self.text)


def rotate_once(file: LogFile, keep: int, date: str) -> int | None:
    """Move all but the newest `keep` events. How many were moved; None when somebody saved the log meanwhile.

    The caller holds the log's lock. Raises FileNotFoundError, BackendUnavailable, NotDurable.
    """
    with file.view() as view:
        if view.size and not mend(file, view):
            return None
        text = view.whole()
    view = LogView.of_bytes(file.channel, text)
    plan = _plan(view, keep)
    if plan is None:
        return 0
    file.make_archive_folder()
    _cut_torn_stretch(file, plan)
    known = file.archives.known_since(plan.first)
    if plan.gone[0] not in known:
        # Offsets only ever grow, also where a script cut the log short and its front matter with it.
        plan = plan._replace(first=max(plan.first, file.archives.beyond()))
    try:
        archive = _archive(file, b"".join(_stretches(plan, known)), date)
    except NotDurable as error:
        # Only what is safe in the archive leaves the log.
        raise BackendUnavailable(
            error.message, hint="nothing left the log; check the disk, then rotate again", path=file.path
        ) from error
    head = loghead.head_after_rotation(view.head, file.channel, plan.beyond, keep, f"archive/{archive}")
    return plan.moved if file.swap(file.path, head + plan.kept, text) else None


def _plan(view: LogView, keep: int) -> _Plan | None:
    spans = list(view.spans())
    events = [number for number, span in enumerate(spans) if eventlog.parse_event(span)]
    count = len(events) - keep
    if count <= 0:
        return None
    cut = events[count - 1] + 1
    kept = b"".join(_ended(span).data for span in spans[cut:])
    return _Plan(view.rotated, [_ended(span) for span in spans[:cut]], kept, count)


def _ended(span: Span) -> Span:
    return span if span.data.endswith(b"\n") else span._replace(data=span.data + b"\n")


def _cut_torn_stretch(file: LogFile, plan: _Plan) -> None:
    """Cut off the stretch that a power cut left unfinished in the newest archive; the log has all of it."""
    archives = file.archives
    name = max(archives.names(), default=None)
    stretch = archives.last_stretch(name) if name else None
    if name is None or stretch is None or stretch.beyond <= plan.first:
        return
    there = content(archives.path(name)) or b""
    text = there[stretch.start :].rstrip(b"\0")
    begin = stretch.first - plan.first
    unfinished = len(text) < stretch.beyond - stretch.first
    if begin >= 0 and unfinished and (plan.text + plan.kept).startswith(text, begin):
        file.swap(archives.path(name), there[: stretch.mark], there)


def _stretches(plan: _Plan, known: Known) -> Iterator[bytes]:
    """What the archive lacks of the blocks that go: their text, below a mark for each stretch of them."""
    offset = plan.first
    for is_lacking, group in groupby(
        ((known.lacks(span), span) for span in plan.gone), lambda pair: pair[0] != b""
    ):
        first = offset
        pairs = list(group)
        offset += sum(len(span.data) for _, span in pairs)
        if is_lacking:
            text = b"".join(lacking for lacking, _ in pairs)
            yield loghead.moved_mark(first, first + len(text)) + text


def _archive(file: LogFile, stretches: bytes, date: str) -> str:
    """Add stretches to the archive of a date and return its name."""
    name = file.archives.name_for(date)
    path = file.archives.path(name)
    if not os.path.lexists(path):
        file.create(path, loghead.new_archive(file.channel, date) + stretches)
    elif stretches:
        with viewing(file.channel, path) as view:
            gap = b"" if view.end(1) in (b"\n", b"") else b"\n"
        file.append(gap + stretches, path)
    return name
