"""Pages of work that several processes share."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mdcoord.moving import forks
from mdcoord.moving.forks import PAGE, by_page

IDS = [f"n{number}" for number in range(5 * PAGE + 7)]
PAGES = [IDS[first : first + PAGE] for first in range(0, len(IDS), PAGE)]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is divided")


@pytest.fixture(autouse=True)
def three_hands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three processes, also where there is one core, and also where another test left a thread."""
    monkeypatch.setattr(forks, "MANY", 0)
    monkeypatch.setattr(forks, "_cores", lambda: 3)
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def who(ids: Sequence[str]) -> tuple[int, Sequence[str]]:
    return os.getpid(), ids


def nobody_is_left() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)  # children of other tests, which live
    except ChildProcessError:
        return True


def test_pages_come_in_their_order_from_several_processes() -> None:
    found = [*by_page(who, IDS, divided=True)]
    assert [ids for _, ids in found] == PAGES
    assert len({pid for pid, _ in found} - {os.getpid()}) == 3
    assert nobody_is_left()


def test_nothing_is_nothing() -> None:
    assert [*by_page(who, [], divided=True)] == []


@pytest.mark.parametrize("reason", ["few", "threads", "one core", "not forkable"])
def test_one_process_where_others_are_of_no_use(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "MANY", len(IDS) + 1 if reason == "few" else 0)
    monkeypatch.setattr(forks, "_cores", lambda: 1 if reason == "one core" else 3)
    monkeypatch.setattr(threading, "active_count", lambda: 2 if reason == "threads" else 1)
    found = [*by_page(who, IDS, divided=reason != "not forkable")]
    assert found == [(os.getpid(), page) for page in PAGES]


def test_what_a_killed_process_leaves_is_done_by_its_parent() -> None:
    parent = os.getpid()

    def work(ids: Sequence[str]) -> tuple[int, Sequence[str]]:
        if ids == PAGES[4] and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return who(ids)

    found = [*by_page(work, IDS, divided=True)]
    assert [ids for _, ids in found] == PAGES
    assert [pid == parent for pid, _ in found] == [False] * 4 + [True, False]


def test_a_process_that_is_interrupted_as_it_begins_does_not_go_on_as_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fork = os.fork

    def interrupted() -> int:
        pid = fork()
        if not pid:
            raise KeyboardInterrupt
        return pid

    monkeypatch.setattr(os, "fork", interrupted)
    assert [*by_page(who, IDS, divided=True)] == [(os.getpid(), page) for page in PAGES]


def test_an_error_is_raised_by_the_page_that_has_it() -> None:
    def work(ids: Sequence[str]) -> Sequence[str]:
        if ids == PAGES[3]:
            raise ValueError("no")
        return ids

    pages = by_page(work, IDS, divided=True)
    assert [next(pages) for _ in range(3)] == PAGES[:3]
    with pytest.raises(ValueError, match="no"):
        next(pages)
    assert nobody_is_left()


def test_who_takes_no_more_ends_the_others(tmp_path: Path) -> None:
    def work(ids: Sequence[str]) -> bytes:
        (tmp_path / str(os.getpid())).touch()
        return bytes(1 << 20)  # more than a pipe holds

    pages = by_page(work, IDS, divided=True)
    next(pages)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    pages.close()  # type: ignore[attr-defined]
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_helper_ends_with_its_parent() -> None:
    """The parent of helpers is killed: their lines break, and they end."""
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        os.close(reading)
        for _ in by_page(lambda ids: os.getpid() and bytes(1 << 20), IDS, divided=True):
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writing)
    os.waitpid(parent, 0)
    with open(reading, "rb") as line:  # ends when all of them have let go of it
        assert line.read() == b""
