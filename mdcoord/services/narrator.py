"""Writes down what a command tells about its task while it runs (see `formats.reports`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from mdcoord.errors import ClaimLost, MdcoordError
from mdcoord.formats.reports import Accept, Lacks, Log, Progress, Publish, Report, Result, report_of
from mdcoord.model import Value
from mdcoord.services.claim import Claim
from mdcoord.services.desk import Desk

PACE: Final = 1.0
"""Seconds between two writes of progress: every one is a synced write, and only the last one counts."""

Note = Callable[[Claim, str], None]
"""Is told what could not be understood or written down."""


class Narrator:
    """What one claim's command told. Belongs to one thread."""

    def __init__(self, claim: Claim, desk: Desk, note: Note) -> None:
        self.last = ""
        self.lacks: tuple[str, ...] = ()
        self.result: Result | None = None
        self._claim = claim
        self._desk = desk
        self._note = note
        self._share: float | None = None
        self._facts: dict[str, Value] = {}
        self._told = False
        self._next = 0.0

    def tell(self, line: str) -> bool:
        """Take in one line of output. False when it is the command's own and somebody else's to see."""
        try:
            report = report_of(line)
        except MdcoordError as error:
            self._note(self._claim, str(error))
            report = None
        if report is None:
            self.last = line.strip() or self.last
            return False
        self._take(report)
        return True

    def tick(self) -> None:
        """Write down the progress that was told, if its time has come."""
        if self._told and time.monotonic() >= self._next:
            self.flush()

    def flush(self, log: str | None = None) -> None:
        """Write down the progress that was told, and a line for the task's log."""
        if not self._told and log is None:
            return
        share, facts = self._share, self._facts
        if self._try(lambda: self._claim.note(share, facts, log=log)):
            self._share, self._facts, self._told = None, {}, False
        self._next = time.monotonic() + PACE

    def _take(self, report: Report) -> None:
        match report:
            case Progress(share, facts):
                self._share = self._share if share is None else share
                self._facts.update(facts)
                self._told = True
                self.tick()
            case Log(message):
                self.flush(message)
            case Publish(channel, name, data):
                self._try(lambda: self._desk.events.publish(channel, name, **data))
            case Accept(which):
                self._try(lambda: self._desk.tasks.accept(self._claim.id, which, token=self._claim.token))
            case Lacks(capabilities):
                self.lacks = (*self.lacks, *capabilities)
            case Result():
                self.result = report

    def _try(self, write: Callable[[], Any]) -> bool:
        """Whether it is done with, be it that nothing can be written any more."""
        try:
            write()
        except ClaimLost:
            return True
        except MdcoordError as error:
            self._note(self._claim, str(error))
            return not error.retryable
        return True
