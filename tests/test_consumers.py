"""Durable consumers of events: at least once, whatever dies in between; and waiting that holds no thread."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.fakes import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.backends.base import Backend
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import InvalidName, NotFound, QueryError, UsageError
from mdcoord.patience import Pause, patient, pauses, steps_of
from mdcoord.services.consumers import Subscription
from mdcoord.workspace import Workspace


@pytest.fixture
def w(backend: Backend) -> Iterator[Workspace]:
    with Workspace(backend, agent="ada", host=FakeHost()) as workspace:
        yield workspace


def publish(w: Workspace, *numbers: int) -> None:
    for number in numbers:
        w.events.publish("training", "step", n=number, even=number % 2 == 0)


def consume(w: Workspace, consumer: str = "plotter", **rest: Any) -> list[Any]:
    """What one run of a consumer is handed."""
    with w.events.subscribe("training", consumer=consumer, follow=False, **rest) as events:
        return [event["n"] for event in events]


def subscribe(w: Workspace, **rest: Any) -> Subscription:
    return w.events.subscribe("training", consumer="plotter", **{"follow": False, **rest})


def numbers(events: list[Any]) -> list[Any]:
    return [event["n"] for event in events]


# -- at least once


def test_a_consumer_goes_on_where_it_was(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    assert consume(w) == [1, 2, 3]
    assert consume(w) == []
    publish(w, 4)
    assert consume(w) == [4]
    assert consume(w, "other") == [1, 2, 3, 4]


def test_an_error_hands_the_event_over_again(w: Workspace) -> None:
    publish(w, 1, 2, 3)

    def handle() -> None:
        with subscribe(w) as events:
            for event in events:
                1 / (event["n"] - 2)

    with pytest.raises(ZeroDivisionError):
        handle()
    assert consume(w) == [2, 3]


def test_leaving_the_loop_acknowledges_the_last_event(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    with subscribe(w) as events:
        for _ in events:
            break
    assert consume(w) == [2, 3]


def test_without_a_with_block_the_last_event_comes_again(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    for event in subscribe(w):
        if event["n"] == 2:
            break
    assert consume(w) == [2, 3]


def test_nothing_counts_until_it_is_acknowledged(w: Workspace) -> None:
    publish(w, 1, 2, 3, 4)
    with subscribe(w, ack=False) as events:
        handed = [*events]
    assert numbers(handed) == [1, 2, 3, 4]
    with subscribe(w, ack=False) as events:
        handed = [*events]
        events.ack(handed[2])
        events.ack(handed[0])  # it is already
    assert consume(w) == [4]


def test_acknowledging_all_at_once(w: Workspace) -> None:
    publish(w, 1, 2)
    events = subscribe(w, ack=False)
    assert numbers(events.take(1)) == [1]
    events.ack()
    events.ack()
    assert numbers(events.take(5)) == [2]
    assert events.take(5) == []
    assert consume(w) == [2]


def test_a_filter_passes_over_the_others(w: Workspace) -> None:
    publish(w, 1, 2, 3, 4, 5)
    assert consume(w, where="data.even = true") == [2, 4]
    assert w.events.consumers()[0].lag == 0
    assert consume(w) == []
    publish(w, 6, 7)
    assert consume(w, where=lambda event: event["n"] == 7) == [7]


def test_what_is_passed_over_waits_for_what_was_handed_over_before(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    events = subscribe(w, where="data.n = 1", ack=False)
    (event,) = events.take()
    assert consume(w) == [1, 2, 3]
    w.events.forget("training", "plotter")
    events.ack(event)
    assert w.events.consumers()[0].lag == 0


def test_a_bad_filter_or_name_is_refused(w: Workspace) -> None:
    publish(w, 1)
    with pytest.raises(QueryError):
        subscribe(w, where="n >")
    for name in ("", "../up", "x" * 101):
        with pytest.raises(InvalidName):
            w.events.subscribe("training", consumer=name)
    with pytest.raises(UsageError):
        subscribe(w, after="nonsense")
    assert w.events.consumers() == []


def test_names_may_be_long_and_are_told_apart(w: Workspace) -> None:
    channels = ["a" * 80, "a" * 79 + "-b"]
    for channel in channels:
        w.events.publish(channel, "x", n=1)
        for consumer in ("c" * 99, "c-c"):
            with w.events.subscribe(channel, consumer=consumer, follow=False) as events:
                assert len([*events]) == 1
    assert [(one.channel, one.consumer) for one in w.events.consumers()] == [
        (channel, consumer) for channel in sorted(channels) for consumer in ("c-c", "c" * 99)
    ]


# -- places


def test_a_consumer_may_be_put_back_or_forward(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    first = next(iter(w.events.tail("training"))).cursor
    assert consume(w) == [1, 2, 3]
    assert consume(w, after=first) == [2, 3]
    with subscribe(w, after=first):
        pass
    assert consume(w) == [2, 3]


def test_rotation_takes_nothing_away(w: Workspace) -> None:
    publish(w, 1, 2, 3, 4)
    events = subscribe(w, ack=False)
    assert numbers(events.take(1)) == [1]
    events.ack()
    w.rotate("training", keep=1)
    publish(w, 5)
    w.rotate("training", keep=0)
    publish(w, 6)
    assert numbers(events.take()) == [2, 3, 4, 5, 6]


def test_a_new_consumer_that_died_at_once_loses_nothing_to_a_rotation(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    w.rotate("training", keep=2)
    subscribe(w, ack=False).take()
    w.rotate("training", keep=0)
    assert consume(w) == [2, 3]


def test_a_consumer_that_waited_for_a_channel_misses_nothing_of_it(w: Workspace) -> None:
    events = subscribe(w, follow=True)
    assert events.take() == []
    assert w.events.consumers()[0].lag is None
    publish(w, *range(10))
    w.rotate("training", keep=2)
    assert numbers(events.take()) == [*range(10)]


def test_a_channel_that_is_not_there(w: Workspace) -> None:
    with pytest.raises(NotFound):
        consume(w)
    assert w.events.consumers() == []


def test_consumers_and_how_far_they_are(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    consume(w, "done")
    with w.events.subscribe("training:events", consumer="Half Way", follow=False) as events:
        next(iter(events))
    w.events.publish("other", "x")
    with w.events.subscribe("other", consumer="done", follow=False):
        pass
    found = [(one.channel, one.consumer, one.lag) for one in w.events.consumers()]
    assert found == [("other", "done", 1), ("training", "done", 0), ("training", "half-way", 2)]
    (one,) = w.events.consumers("other")
    assert one.as_dict() == {
        "channel": "other",
        "consumer": "done",
        "lag": 1,
        "cursor": one.cursor,
        "updated_at": w.host.stamp(),
    }
    w.events.forget("training", "done")
    with pytest.raises(NotFound):
        w.events.forget("training", "done")
    assert consume(w, "done") == [1, 2, 3]


# -- several processes of one consumer


def test_one_that_is_behind_goes_on_from_the_other_one(w: Workspace) -> None:
    publish(w, 1, 2, 3, 4, 5)
    slow, fast = subscribe(w, ack=False), subscribe(w, ack=False)
    (first,) = slow.take(1)
    fast.take(3)
    fast.ack()
    slow.ack(first)
    assert numbers(slow.take()) == [4, 5]
    assert consume(w) == [4, 5]


def test_one_that_was_ahead_is_not_put_back(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    mine, other = subscribe(w, ack=False), subscribe(w, ack=False)
    handed = mine.take()
    other.take(2)
    other.ack()
    mine.ack(handed[0])
    assert numbers(mine.take()) == [3]
    assert consume(w) == [3]


def test_the_rest_of_a_batch_that_another_one_did_is_left_out(w: Workspace) -> None:
    publish(w, 1, 2, 3)
    seen = []
    with subscribe(w) as events:
        for event in events:
            seen.append(event["n"])
            if event["n"] == 1:
                assert consume(w) == [1, 2, 3]
    assert seen == [1]


steps = st.lists(
    st.tuples(st.sampled_from(["publish", "take", "ack", "die", "rotate"]), st.integers(0, 2)), max_size=30
)


@settings(max_examples=60)
@given(steps)
def test_every_event_is_acknowledged_by_somebody_who_was_handed_it(plan: list[tuple[str, int]]) -> None:
    """Three processes of one consumer that take, acknowledge and die as they like."""
    with Workspace(MemoryBackend()) as w:
        publish(w, 0)
        members = [subscribe(w, ack=False) for _ in range(3)]
        taken: list[list[int]] = [[], [], []]
        done: set[int] = set()
        count = 1
        for verb, who in plan:
            if verb == "publish":
                publish(w, count)
                count += 1
            elif verb == "take":
                taken[who] += numbers(members[who].take(who + 1))
            elif verb == "ack":
                members[who].ack()
                done.update(taken[who])
                taken[who] = []
            elif verb == "rotate":
                w.rotate("training", keep=who)
            else:
                members[who], taken[who] = subscribe(w, ack=False), []
            (place,) = w.events.consumers()
            assert done >= {*range(count - (place.lag or 0))}, "an event was passed over"
        assert done | {*consume(w)} == {*range(count)}


# -- waiting


def test_following_ends_when_it_is_closed(w: Workspace) -> None:
    publish(w, 1)
    events = subscribe(w, follow=True)
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(events))
    thread.start()
    while not seen:
        time.sleep(0.001)
    publish(w, 2)
    while len(seen) < 2:
        time.sleep(0.001)
    events.close()
    thread.join(30)
    assert not thread.is_alive()
    assert numbers(seen) == [1, 2]
    assert consume(w) == []


def test_pauses_grow_to_a_tenth_of_a_second() -> None:
    found = [pause for pause, _ in zip(pauses(), range(20), strict=False)]
    assert found[0] == 0.02
    assert found[-1] == 0.1
    assert found == sorted(found)


def test_a_patient_function_sleeps_and_returns() -> None:
    @patient
    def slowly(word: str) -> Iterator[Any]:
        yield Pause(0.001)
        yield Pause(0.001)
        return word.upper()

    assert slowly("done") == "DONE"
    assert steps_of(slowly) is not None
    assert steps_of(len) is None


async def _limited(events: Any, count: int) -> AsyncIterator[Any]:
    async for event in events:
        yield event
        count -= 1
        if not count:
            return


def test_a_hundred_may_wait_at_once_without_a_thread_each(w: Workspace) -> None:
    publish(w, 6)

    async def first(number: int) -> Any:
        async with w.aio.events.subscribe("training", consumer=f"c{number}") as events:
            return [event["n"] async for event in _limited(events, 2)]

    async def main() -> None:
        waiting = [asyncio.ensure_future(first(number)) for number in range(100)]
        await asyncio.sleep(0)
        await w.aio.events.publish("training", "step", n=7)
        assert await asyncio.wait_for(asyncio.gather(*waiting), 60) == [[6, 7]] * 100

    asyncio.run(main())
    assert [one.lag for one in w.events.consumers()] == [0] * 100


def test_one_that_waits_is_cancelled_at_once(w: Workspace) -> None:
    async def main() -> None:
        async def follow() -> None:
            async for _ in w.aio.events.subscribe("training", consumer="c"):
                raise AssertionError("there is no event")

        waiting = asyncio.ensure_future(follow())
        while not w.events.consumers():
            await asyncio.sleep(0.001)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())  # it would wait for threads that go on


# -- processes

CHILD = """if True:
    import sys
    from mdcoord import Workspace
    with Workspace.open(sys.argv[1]) as w:
        with w.events.subscribe("training", consumer="plotter", follow=False) as events:
            for event in events:
                print(event["n"], flush=True)
                if sys.stdin.readline() != "go on\\n":
                    raise SystemExit
"""


class Child:
    """A consumer that waits for a word after each event that it was handed."""

    def __init__(self, project: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(project)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def next(self) -> int | None:
        assert self._process.stdout
        line = self._process.stdout.readline()
        return int(line) if line else None

    def go_on(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with Workspace.create(tmp_path) as w:
        publish(w, *range(1, 6))
    return tmp_path


def test_killed_between_hand_over_and_acknowledgement(project: Path) -> None:
    first = Child(project)
    assert first.next() == 1
    first.go_on()
    assert first.next() == 2
    first.kill()
    second = Child(project)
    assert second.next() == 2
    second.kill()
    with Workspace.open(project) as w:
        w.rotate("training", keep=1)
        assert consume(w) == [2, 3, 4, 5]


def test_two_processes_and_one_is_killed(project: Path) -> None:
    one, two = Child(project), Child(project)
    handed = [one.next(), two.next()]
    one.go_on()
    handed.append(one.next())
    one.kill()
    with Workspace.open(project) as w:
        publish(w, 6, 7)
    two.go_on()
    while (number := two.next()) is not None:
        handed.append(number)
        two.go_on()
    two.end()
    assert {*handed} == {*range(1, 8)}
    with Workspace.open(project) as w:
        assert consume(w) == []
