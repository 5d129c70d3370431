"""Reading many documents, divided among processes: one interpreter keeps only one core busy.

They are forks, so they know all that their parent knows, and send back what came of their pages. One that is
killed, or fails, is no loss: its parent does what is left of its pages. One whose parent was killed ends with
its page, and nobody waits for that, so none of them may change anything.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, Final, NamedTuple, TypeVar

PAGE: Final = 500
"""How many documents are worked on at once."""

MANY = 4000
"""With fewer documents than this, starting processes takes longer than they save."""

MOST: Final = 4
"""So many processes are started at most, and no more than there are cores."""

R = TypeVar("R")

Work = Callable[[Sequence[str]], R]
"""Reads the documents with these ids. It writes nothing, and what it leaves in memory is lost."""


def by_page(work: Work[R], ids: Sequence[str], *, divided: bool) -> Iterator[R]:
    """What `work` gives for each page of ids, in their order; `divided` says that other processes may do it.

    They do where there are many ids, and cores for them, and no threads (which a fork can leave in the middle
    of something).
    """
    pages = [ids[first : first + PAGE] for first in range(0, len(ids), PAGE)]
    count = min(MOST, _cores()) if divided and len(ids) >= MANY and threading.active_count() == 1 else 1
    return _divided(work, pages, count) if count > 1 else map(work, pages)


class _Helper(NamedTuple):
    pid: int
    line: IO[bytes]


def _divided(work: Work[R], pages: Sequence[Sequence[str]], count: int) -> Iterator[R]:
    helpers: list[_Helper] = []
    try:
        for number in range(count):
            helpers.append(_start(work, pages[number::count], helpers))
        for number, page in enumerate(pages):
            answers = _answer(helpers[number % count])
            yield answers[0] if answers else work(page)
    finally:
        for pid, line in helpers:
            line.close()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _start(work: Work[R], pages: Sequence[Sequence[str]], others: Sequence[_Helper]) -> _Helper:
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        pid = os.fork()
        if not pid:
            for line in (*(helper.line.fileno() for helper in others), reading):
                os.close(line)  # so that writing fails once the parent is gone
            _help(work, pages, writing)
    finally:
        if os.getpid() != parent:  # also at a Ctrl-C just after the fork
            os._exit(0)
    os.close(writing)
    return _Helper(pid, open(reading, "rb"))


def _help(work: Work[R], pages: Sequence[Sequence[str]], writing: int) -> None:
    with suppress(BaseException), open(writing, "wb") as line:
        for page in pages:
            pickle.dump([work(page)], line, pickle.HIGHEST_PROTOCOL)
            line.flush()


def _answer(helper: _Helper) -> list[Any]:
    """What came of the next page of a helper; nothing from one that failed."""
    try:
        answer: list[Any] = pickle.load(helper.line)
        return answer
    except (EOFError, pickle.UnpicklingError, OSError):
        return []


def _cores() -> int:
    """The cores for this process; 1 where forks are not what they should be."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
