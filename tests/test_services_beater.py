"""The thread behind claims: real threads and processes, no clock is waited for longer than an event takes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from mdcoord.services.beater import Beater

LONG = 30.0


@pytest.fixture
def beater() -> Iterator[Beater]:
    made = Beater()
    yield made
    made.close()


def threads() -> int:
    return sum(thread.name == "mdcoord-heartbeats" for thread in threading.enumerate())


class Beats:
    """Counts its calls; `wanted` calls set `reached`."""

    def __init__(self, wanted: int = 1, more: bool = True) -> None:
        self.count = 0
        self.wanted = wanted
        self.more = more
        self.reached = threading.Event()

    def __call__(self) -> bool:
        self.count += 1
        if self.count >= self.wanted:
            self.reached.set()
        return self.more


def test_beats_come_again_and_again(beater: Beater) -> None:
    beats = Beats(5)
    beater.add(beats, 0.001)
    assert beats.reached.wait(LONG)


def test_no_thread_until_it_is_needed_and_one_for_all(beater: Beater) -> None:
    before = threads()
    Beater()
    assert threads() == before
    for _ in range(20):
        beater.add(Beats(), LONG)
    assert threads() == before + 1


def test_a_shorter_interval_wakes_the_sleeper(beater: Beater) -> None:
    slow, quick = Beats(), Beats()
    beater.add(slow, LONG * 10)
    beater.add(quick, 0.001)
    assert quick.reached.wait(LONG)
    assert slow.count == 0


def test_what_says_no_is_not_called_again(beater: Beater) -> None:
    once, other = Beats(more=False), Beats(5)
    beater.add(once, 0.001)
    beater.add(other, 0.001)
    assert other.reached.wait(LONG)
    assert once.count == 1


def test_what_was_removed_is_not_called_again(beater: Beater) -> None:
    removed, other = Beats(), Beats(3)
    beater.add(removed, LONG)
    beater.remove(removed)
    beater.remove(removed)
    beater.add(other, 0.001)
    assert other.reached.wait(LONG)
    assert removed.count == 0


def test_closing_ends_the_thread(beater: Beater) -> None:
    before = threads()
    beater.add(Beats(), LONG)
    beater.close()
    assert threads() == before
    beater.close()
    again = Beats()
    beater.add(again, 0.001)
    assert again.reached.wait(LONG)


def test_closing_from_within(beater: Beater) -> None:
    done = threading.Event()

    def beat() -> bool:
        beater.close()
        done.set()
        return True

    beater.add(beat, 0.001)
    assert done.wait(LONG)


def test_a_forked_child_beats_for_its_own_claims_only(beater: Beater) -> None:
    mine = Beats()
    beater.add(mine, LONG)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            beats = Beats(2)
            beater.remove(mine)
            beater.add(beats, 0.001)
            os.write(writer, b"beaten" if beats.reached.wait(LONG) and mine.count == 0 else b"silent")
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 10) == b"beaten"
    os.close(reader)
    os.waitpid(child, 0)
