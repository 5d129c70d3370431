"""The events of one channel in a workspace and in its copy: each of them on both sides once.

How far both are is noted in the copy, as a memo. Whatever was added on one side after that and is not among
what was added on the other goes there. A note that is older than the truth, since its writer was killed, or
none at all, only means that there is more to compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mdcoord.backends.base import Backend
from mdcoord.backends.values import Event
from mdcoord.errors import UsageError
from mdcoord.formats.eventids import is_hand_id
from mdcoord.model import Value
from mdcoord.moving.channels import rotate_alike
from mdcoord.moving.prints import name_of

PLACES: Final = "mirror-log"
"""The topic of the memos, in the copy: for each channel `there` and `here`, the cursors up to which all is
on both sides, and `sent` and `got`, the ids of events after these that the mirror itself put there.
"""


class MirroredLog:
    """One channel."""

    def __init__(self, source: Backend, folder: Backend, name: str) -> None:
        self._source = source
        self._folder = folder
        self._name = name
        self._start: str | None = None

    def bring(self, *, in_source: bool, in_folder: bool) -> tuple[int, int]:
        """Bring both up to date; how many events that were, into the copy and out of it.

        The arguments say where there is such a channel. Raises Busy, NotFound.
        """
        note, there, here = self._since(self._folder.memo(PLACES, self._name), in_source, in_folder)
        sent, got = Counter(note.get("sent", ())), Counter(note.get("got", ()))
        fresh_there, fresh_here = _without(there, sent), _without(here, got)
        fetched = _without(fresh_there, Counter(map(name_of, fresh_here)))
        written = _without(fresh_here, Counter(map(name_of, fresh_there)))
        if written or not in_source:
            self._source.extend(self._name, self._with_texts(written))
        if fetched or not in_folder:
            self._folder.extend(self._name, fetched)
        if there or here:
            after = {
                "there": there[-1].cursor if there else note.get("there"),
                "here": here[-1].cursor if here else note.get("here"),
                "sent": [*sent.elements(), *map(name_of, written)],
                "got": [*got.elements(), *map(name_of, fetched)],
            }
            self._folder.keep(PLACES, self._name, lambda _: after)
        self._rotate()
        return len(fetched), len(written)

    def _since(
        self, note: Mapping[str, Any] | None, in_source: bool, in_folder: bool
    ) -> tuple[Mapping[str, Any], list[Event], list[Event]]:
        """The events of both sides after what the note says, and the note; else all of them, and none."""
        if note and in_source and not in_folder:
            return {}, [*self._source.tail(self._name)], []  # what was archived is in the archive still
        try:
            if note and in_source:
                return note, self._after(self._source, note["there"]), self._after(self._folder, note["here"])
        except (UsageError, KeyError):
            pass  # one of the logs was made anew
        there = [*self._source.history(self._name)] if in_source else []
        return {}, there, [*self._folder.history(self._name)] if in_folder else []

    def _after(self, store: Backend, cursor: str | None) -> list[Event]:
        return [*(store.tail(self._name, cursor) if cursor else store.history(self._name))]

    def _with_texts(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events with their exact texts, which only the history tells."""
        if not any(is_hand_id(event.id) for event in events):
            return events
        texts = {name_of(event): event.text for event in self._folder.history(self._name)}
        return [event._replace(text=texts.get(name_of(event))) for event in events]

    def _rotate(self) -> None:
        """Archive in the copy what was archived in the workspace since."""
        start = self._source.start(self._name)
        if start != self._start:
            rotate_alike(self._source, self._folder, self._name)
            self._start = start


def is_noted(note: Value, event: Event) -> bool:
    """Whether by a memo an event of the copy is in the workspace, too."""
    return bool(note) and (event.cursor == note["here"] or name_of(event) in note["got"])


def _without(events: Iterable[Event], known: Counter[str]) -> list[Event]:
    """The events that are not known; what is known is used up."""
    left = []
    for event in events:
        name = name_of(event)
        if known[name] > 0:
            known[name] -= 1
        else:
            left.append(event)
    return left
