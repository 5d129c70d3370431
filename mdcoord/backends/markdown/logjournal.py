"""The last events that were appended to a log, kept a second time beside its lock.

An editor that was opened before an append and saves after it takes the event away again, although it was
acknowledged. The next append or rotation sees that the newest event is gone and brings back what is missing.
So an event cannot be taken out of the end of a log by hand; a log that was removed or emptied begins anew.

The journal is unsynced: after a power cut its end may be missing, and with it this safety for some events.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice, takewhile

from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.logarchive import Archives
from mdcoord.backends.markdown.logview import LogView, viewing
from mdcoord.formats import eventlog
from mdcoord.formats.eventlog import Span

_FULL = 256 * 1024
_GLANCE = 1024
_NEAR = 64


class Journal:
    """The newest blocks of one channel, at most 256 KiB of them. Writers hold the lock of the log."""

    def __init__(self, files: FileIO, channel: str) -> None:
        self._files = files
        self._channel = channel
        self._path = os.path.join(files.state, "history", f"log-{channel}")

    def note(self, block: bytes) -> None:
        """Remember a block that was appended to the log."""
        if self._files.append(self._path, block, sync=False) > _FULL:
            text = b"".join(span.data for span in self._spans())[-_FULL // 2 :]
            first = eventlog.first_heading(text) or 0
            self._files.replace(self._path, text[first:], sync=False)

    def clear(self) -> None:
        """Forget everything: the log begins anew."""
        self._files.discard(self._path)

    def lost(self, view: LogView, archives: Archives) -> list[bytes]:
        """The blocks that somebody's save took out of the end of a log, oldest first. Nearly always none.

        That is what is newer than the newest event that is still there.
        """
        if self._is_last(view.end(_GLANCE)):
            return []
        spans = self._spans()
        near = {eventlog.identity_in(span) for span in islice(view.backwards(), _NEAR)}
        if not spans or eventlog.identity_in(spans[-1]) in near:
            return []
        lost = list(takewhile(lambda span: not _is_in(view, span), reversed(spans)))
        if len(lost) == len(spans):
            archived = archives.identities_before(view.rotated)
            lost = list(takewhile(lambda span: eventlog.identity_in(span) not in archived, lost))
        return [span.data for span in reversed(lost)]

    def survivors(self, event_id: str, view: LogView) -> Iterator[int]:
        """Where the events that were appended before this one start in a log, the newest first."""
        spans = self._spans()
        names = [eventlog.identity_in(span) for span in spans]
        if event_id in names:
            for name in reversed(names[: names.index(event_id)]):
                place = view.search(name) if name else None
                if place is not None:
                    yield place

    def _is_last(self, end: bytes) -> bool:
        """Whether the last block of the journal is the end of the log, as far as one read tells."""
        try:
            with viewing(self._channel, self._path) as view:
                last = view.end(_GLANCE)
        except FileNotFoundError:
            return True
        begin = last.rfind(b"\n" + eventlog.HEADING) + 1
        return last.startswith(eventlog.HEADING, begin) and end.endswith(last[begin:])

    def _spans(self) -> list[Span]:
        try:
            with viewing(self._channel, self._path) as view:
                spans = list(view.spans())
        except FileNotFoundError:
            return []
        return [span for span in spans if eventlog.identity_in(span) is not None]


def _is_in(view: LogView, span: Span) -> bool:
    name = eventlog.identity_in(span)
    return name is not None and view.search(name) is not None
