"""Workers that call functions: what they take, how claims end, when workers end."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from mdcoord import Definition, Phase, Worker, Workspace
from mdcoord.backends.memory import MemoryBackend
from mdcoord.errors import BackendUnavailable, Busy, NotDurable, UsageError
from mdcoord.model import Key
from mdcoord.services import badge, job
from mdcoord.services.claim import Claim
from mdcoord.services.job import Outcome
from mdcoord.services.wake import Bell, folder_sign
from mdcoord.services.work import GiveBack


@pytest.fixture(params=["memory", "markdown"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    if request.param == "memory":
        opened = Workspace.open(backend=MemoryBackend(), agent="ada")
    else:
        opened = Workspace.create(tmp_path, agent="ada")
    with opened:
        yield opened


class Background:
    """A worker in a thread of its own."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.thread = threading.Thread(target=worker.run)
        self.thread.start()

    def end(self) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()


def verdicts(w: Workspace, work: Any, **options: Any) -> list[tuple[str, str]]:
    """Which tasks a worker took until nothing was ready, in order, and how each ended."""
    seen: list[Outcome] = []
    Worker(w, work, idle=0, on_end=seen.append, **options).run()
    return [(outcome.task.id, outcome.verdict) for outcome in seen]


# ---------------------------------------------------------------- how a claim ends


def test_what_a_function_returns_is_the_result(w: Workspace) -> None:
    w.tasks.create("low", id="low")
    w.tasks.create("high", id="high", priority=5)

    def work(claim: Claim) -> dict[str, Any]:
        claim.progress(0.5, step=3)
        return {"by": claim.agent, "attempt": claim.attempt}

    assert verdicts(w, work) == [("high", "completed"), ("low", "completed")]
    task = w.tasks.get("high")
    assert (task.status, task.result, task.metadata) == (
        "completed",
        {"by": "ada", "attempt": 1},
        {"step": 3},
    )


def test_a_coroutine_function_is_given_an_awaitable_claim(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    async def work(claim: Any) -> str:
        await claim.progress(0.5)
        await asyncio.sleep(0)
        return "done"

    assert verdicts(w, work) == [("one", "completed")]
    assert w.tasks.get("one").result == "done"


def test_what_only_returns_a_coroutine_is_awaited_too(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    async def later() -> int:
        return 7

    assert verdicts(w, lambda claim: later()) == [("one", "completed")]
    assert w.tasks.get("one").result == 7


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_function_raises_fails_the_task_and_not_the_worker(
    w: Workspace, error: BaseException
) -> None:
    w.tasks.create("x", id="one", priority=1)
    w.tasks.create("y", id="two")

    def work(claim: Claim) -> None:
        if claim.id == "one":
            raise error

    assert verdicts(w, work) == [("one", "failed"), ("two", "completed")]
    assert w.tasks.get("one").error == f"{type(error).__name__}: {error}".rstrip(": ")


def test_an_exception_in_a_coroutine_fails_the_task(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    async def work(claim: Any) -> None:
        raise ValueError("no disk")

    assert verdicts(w, work) == [("one", "failed")]
    assert w.tasks.get("one").error == "ValueError: no disk"


@pytest.mark.parametrize("result", [{1, 2}, float("nan"), {"x": object()}])
def test_a_result_that_is_no_json_fails_the_task(w: Workspace, result: Any) -> None:
    w.tasks.create("x", id="one")
    assert verdicts(w, lambda claim: result) == [("one", "failed")]
    assert w.tasks.get("one").error


def test_what_is_given_back_is_left_alone_for_a_while(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    def work(claim: Claim) -> None:
        raise GiveBack("the licence server is down")

    assert verdicts(w, work) == [("one", "released")]
    task = w.tasks.get("one")
    assert (task.status, task.error) == ("pending", None)
    assert "the licence server is down" in task.logs[-1]["message"]
    assert any("not to start before" in reason for reason in w.tasks.why("one"))


def test_a_worker_that_lacks_something_is_not_given_the_task_again(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    taken: list[str] = []

    def work(claim: Claim) -> None:
        taken.append(claim.agent)
        if claim.agent == "ada":
            raise GiveBack(lacks=["gpu"])

    assert verdicts(w, work, can=["gpu"]) == [("one", "released")]
    assert verdicts(w, work, can=["gpu"]) == []
    assert w.tasks.get("one").needs == ["gpu"]
    assert verdicts(w, work, agent="bo", can=["gpu"]) == [("one", "completed")]


def test_who_gives_a_task_back_again_and_again_does_so_less_and_less(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    times: list[float] = []

    def work(claim: Claim) -> None:
        times.append(time.monotonic())
        claim.release()

    Worker(w, work, limit=3).run()
    assert times[2] - times[1] >= 1


def test_the_text_of_an_error_is_cut_and_made_writable(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    def work(claim: Claim) -> None:
        raise ValueError("\udcff" + "x" * 3_000_000)

    assert verdicts(w, work) == [("one", "failed")]
    error = w.tasks.get("one").error or ""
    assert error.startswith("ValueError: ?xxx")
    assert len(error) == 10_000


def test_a_function_may_end_its_claim_itself(w: Workspace) -> None:
    for name, priority in (("a", 3), ("b", 2), ("c", 1)):
        w.tasks.create(name, id=name, priority=priority, retry_limit=1)
    verbs = {
        "a": lambda claim: claim.complete(1),
        "b": lambda claim: claim.fail("no"),
        "c": lambda claim: claim.release(),
    }

    def work(claim: Claim) -> int:
        verbs[claim.id](claim)
        return 2

    seen: list[Outcome] = []
    Worker(w, work, limit=3, on_end=seen.append).run()
    assert [(outcome.task.id, outcome.verdict) for outcome in seen] == [
        ("a", "completed"),
        ("b", "failed"),
        ("c", "released"),
    ]
    assert w.tasks.get("a").result == 1


def test_a_criterion_that_is_not_met_fails_the_task(w: Workspace) -> None:
    w.tasks.create("x", id="one", acceptance=["a", "b"], fields={"require_acceptance": True})

    def work(claim: Claim) -> None:
        w.tasks.accept(claim.id, 1, token=claim.token)

    assert verdicts(w, work) == [("one", "failed")]
    assert "2. b" in (w.tasks.get("one").error or "")


def test_a_quality_gate_that_was_not_passed_fails_the_task(w: Workspace) -> None:
    w.tasks.create("x", id="one", fields={"quality": "required"})
    assert verdicts(w, lambda claim: 1) == [("one", "failed")]
    task = w.tasks.get("one")
    assert (task.status, "cannot be completed" in (task.error or "")) == ("pending", True)


def test_an_outcome_is_written_once_the_store_is_there_again(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task is not redone because a disk was full for a moment."""
    monkeypatch.setattr(job, "_PATIENCE", (0.0, 0.0, 0.0))
    w.tasks.create("x", id="one")
    failures = [Busy("locked"), BackendUnavailable("full")]
    complete = w.tasks.complete

    def shaky(*given: Any, **rest: Any) -> Any:
        if failures:
            raise failures.pop()
        return complete(*given, **rest)

    monkeypatch.setattr(w.tasks, "complete", shaky)
    assert verdicts(w, lambda claim: 1) == [("one", "completed")]
    assert w.tasks.get("one").result == 1


@pytest.mark.parametrize("error", [NotDurable("fsync"), BackendUnavailable("the answer was lost")])
def test_an_outcome_that_was_written_before_the_error_counts(
    w: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(job, "_PATIENCE", (0.0,))
    w.tasks.create("x", id="one")
    complete, errors = w.tasks.complete, [error]

    def shaky(*given: Any, **rest: Any) -> Any:
        task = complete(*given, **rest)
        if errors:
            raise errors.pop()
        return task

    monkeypatch.setattr(w.tasks, "complete", shaky)
    assert verdicts(w, lambda claim: 1) == [("one", "completed")]
    assert w.tasks.get("one").result == 1


def test_a_store_that_stays_away_costs_the_claim_and_not_the_worker(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_PATIENCE", ())
    w.tasks.create("x", id="one")

    def gone(*_: Any, **__: Any) -> Any:
        raise BackendUnavailable("no space")

    for verb in ("complete", "fail"):
        monkeypatch.setattr(w.tasks, verb, gone)
    seen: list[Outcome] = []
    Worker(w, lambda claim: 1, idle=0, on_end=seen.append).run()
    (outcome,) = seen
    assert (outcome.verdict, outcome.error) == (
        "lost",
        "its outcome could not be written down: no space",
    )


# ---------------------------------------------------------------- losing a claim, and time


def test_a_lost_claim_ends_the_work_and_writes_nothing(w: Workspace) -> None:
    w.tasks.create("x", id="one", fields={"note": "before"})
    began, cancelled = threading.Event(), threading.Event()

    async def work(claim: Any) -> None:
        began.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    seen: list[Outcome] = []
    background = Background(Worker(w, work, limit=1, on_end=seen.append))
    assert began.wait(30)
    w.tasks.update("one", {"status": "cancelled"})
    background.end()
    assert cancelled.is_set()
    (outcome,) = seen
    assert (outcome.verdict, w.tasks.get("one").status) == ("lost", "cancelled")


def test_a_plain_function_learns_from_the_claim_that_it_works_in_vain(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    began, ended = threading.Event(), threading.Event()

    def work(claim: Claim) -> None:
        began.set()
        until(lambda: claim.over)
        ended.set()

    seen: list[Outcome] = []
    background = Background(Worker(w, work, limit=1, on_end=seen.append))
    assert began.wait(30)
    w.tasks.update("one", {"status": "cancelled"})
    background.end()
    assert [outcome.verdict for outcome in seen] == ["lost"]
    assert ended.wait(30)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_task_that_takes_too_long_fails(w: Workspace, kind: str) -> None:
    w.tasks.create("x", id="one", fields={"timeout": "300ms"})
    free = threading.Event()

    def plain(claim: Claim) -> None:
        free.wait(60)

    async def awaited(claim: Any) -> None:
        await asyncio.sleep(600)

    seen: list[Outcome] = []
    Worker(w, plain if kind == "plain" else awaited, limit=1, on_end=seen.append).run()
    free.set()
    assert [outcome.verdict for outcome in seen] == ["failed"]
    task = w.tasks.get("one")
    assert (task.error, task.status, task.attempt) == (
        "it ran longer than its timeout of 0.3 s",
        "pending",
        1,
    )


def test_a_function_that_goes_on_in_vain_takes_room(w: Workspace) -> None:
    """Else each timeout would add one more thread."""
    w.tasks.create("x", id="one", priority=1, fields={"timeout": 0.2})
    w.tasks.create("y", id="two")
    free, order = threading.Event(), []

    def work(claim: Claim) -> None:
        if claim.id == "one":
            free.wait(60)
        order.append(claim.id)

    seen: list[Outcome] = []
    background = Background(Worker(w, work, limit=2, on_end=seen.append))
    until(lambda: seen)
    assert not order
    free.set()
    background.end()
    assert order == ["one", "two"]


# ---------------------------------------------------------------- ending


def test_several_tasks_at_once_up_to_the_limit(w: Workspace) -> None:
    for number in range(6):
        w.tasks.create("x", id=f"n{number}")
    lock, now, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3)

    def work(claim: Claim) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        full.wait(30)  # three are at work at the same time, or this never ends
        with lock:
            now[0] -= 1

    worked = Worker(w, work, jobs=3, idle=0).run()
    assert (worked.completed, most[0], worked.ended) == (6, 3, "idle")


def test_a_worker_ends_after_so_many_tasks(w: Workspace) -> None:
    for number in range(5):
        w.tasks.create("x", id=f"n{number}")
    worked = Worker(w, lambda claim: None, limit=2, jobs=4).run()
    assert (worked.completed, worked.ended) == (2, "limit")
    assert len(w.tasks.list("status = 'pending'")) == 3


def test_idle_time_counts_from_the_last_task_and_not_while_one_runs(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    ends: list[float] = []

    def work(claim: Claim) -> None:
        time.sleep(0.5)  # longer than the idle time
        w.tasks.create("y", id="two") if claim.id == "one" else None
        ends.append(time.monotonic())

    worked = Worker(w, work, idle=0.3, jobs=2).run()
    assert (worked.completed, worked.ended) == (2, "idle")
    assert time.monotonic() - ends[-1] >= 0.3


def test_a_task_that_becomes_ready_by_the_last_one_is_done_before_idling(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    w.tasks.create("y", id="two", depends_on=["one"])
    assert verdicts(w, lambda claim: None, jobs=2) == [("one", "completed"), ("two", "completed")]


def test_a_worker_says_once_why_its_agent_is_given_nothing(w: Workspace) -> None:
    for name in ("a", "b", "c", "d"):
        w.tasks.create("x", id=name)
    notes: list[str] = []

    def work(claim: Claim) -> None:
        raise ValueError("broken")

    assert [verdict for _, verdict in verdicts(w, work, note=notes.append)] == ["failed"] * 3
    assert verdicts(w, work, note=notes.append) == []
    assert [note.partition(" until ")[0] for note in notes] == [
        "ada is given nothing: its circuit breaker is open after 3 failures in a row,"
    ] * 2  # one a worker


def test_who_reads_the_file_of_a_workflow_sees_what_workers_did(w: Workspace) -> None:
    w.workflows.run(Definition("wf", [Phase("a", ["One", "Two"]), Phase("b", ["Three"])]))
    w.tasks.create("no workflow", id="x", fields={"workflow": "nothing"})

    def stored() -> tuple[Any, Any]:
        fields = w.backend.read(Key("progress", "wf")).fields
        return fields["status"], fields["steps_done"]

    Worker(w, lambda claim: 1, limit=1).run()
    assert stored() == ("in_progress", 1)
    assert len(verdicts(w, lambda claim: 1)) == 3
    assert stored() == ("completed", 3)
    assert [event.name for event in w.events.tail("workflows")] == ["workflow_started", "workflow_completed"]


def test_a_worker_notices_a_new_task(w: Workspace) -> None:
    background = Background(Worker(w, lambda claim: 1, limit=1))
    until(lambda: w.agents.list())
    w.tasks.create("x", id="one")
    background.end()
    assert w.tasks.get("one").status == "completed"


def test_a_stopped_worker_finishes_what_it_has_and_takes_nothing_more(w: Workspace) -> None:
    w.tasks.create("x", id="one", priority=1)
    w.tasks.create("y", id="two")
    began, free = threading.Event(), threading.Event()

    def work(claim: Claim) -> int:
        began.set()
        assert free.wait(30)
        return 1

    background = Background(Worker(w, work, grace=60))
    assert began.wait(30)
    background.worker.stop()
    free.set()
    background.end()
    assert background.worker.worked.ended == "stopped"
    assert [task.status for task in w.tasks.list(sort="-priority")] == ["completed", "pending"]


@pytest.mark.parametrize("how", ["grace", "now"])
def test_what_is_not_done_in_the_grace_time_is_given_back(w: Workspace, how: str) -> None:
    w.tasks.create("x", id="one")
    began = threading.Event()

    async def work(claim: Any) -> None:
        began.set()
        await asyncio.sleep(600)

    background = Background(Worker(w, work, grace=0.1 if how == "grace" else 600))
    assert began.wait(30)
    background.worker.stop(now=how == "now")
    background.end()
    task = w.tasks.get("one")
    assert (task.status, task.fields["excused"], task.holder) == ("pending", 1, None)
    assert w.tasks.why("one") == []


def test_a_plain_function_cannot_hold_up_the_end(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    began, free = threading.Event(), threading.Event()

    def work(claim: Claim) -> None:
        began.set()
        free.wait(60)

    background = Background(Worker(w, work, grace=0))
    assert began.wait(30)
    background.worker.stop()
    background.end()
    free.set()
    assert w.tasks.get("one").status == "pending"


def test_a_report_that_fails_stops_the_worker_and_keeps_no_claim(w: Workspace) -> None:
    w.tasks.create("x", id="one", priority=1)
    w.tasks.create("y", id="two")

    def told(outcome: Outcome) -> None:
        raise BrokenPipeError

    async def work(claim: Any) -> None:
        if claim.id == "two":
            await asyncio.sleep(600)

    with pytest.raises(BrokenPipeError):
        Worker(w, work, jobs=2, on_end=told).run()
    assert [task.status for task in w.tasks.list(sort="-priority")] == ["completed", "pending"]


def test_coroutines_run_in_the_loop_of_who_serves(w: Workspace) -> None:
    w.tasks.create("x", id="one")
    loops = []

    async def work(claim: Any) -> None:
        loops.append(asyncio.get_running_loop())

    async def main() -> None:
        worked = await Worker(w, work, idle=0).serve()
        assert worked.completed == 1
        assert loops == [asyncio.get_running_loop()]

    asyncio.run(main())


def test_a_cancelled_worker_gives_its_tasks_back(w: Workspace) -> None:
    w.tasks.create("x", id="one")

    async def main() -> None:
        began = asyncio.Event()

        async def work(claim: Any) -> None:
            began.set()
            await asyncio.sleep(600)

        serving = asyncio.create_task(Worker(w, work, grace=0).serve())
        await asyncio.wait_for(began.wait(), 30)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(main())
    assert w.tasks.get("one").status == "pending"


# ---------------------------------------------------------------- beside


def test_a_store_that_is_busy_is_waited_for(w: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    w.tasks.create("x", id="one")
    claim, troubles, told = w.tasks.claim, [Busy("locked"), BackendUnavailable("away")], []
    monkeypatch.setattr("mdcoord.services.worker._LONGEST_TROUBLE", 0.01)

    def shaky(*given: Any, **rest: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return claim(*given, **rest)

    monkeypatch.setattr(w.tasks, "claim", shaky)
    worked = Worker(w, lambda claim: None, idle=0, note=told.append).run()
    assert (worked.completed, told) == (1, ["away", "locked"])


def test_an_error_that_no_waiting_helps_ends_the_worker(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise UsageError("this cannot be")

    monkeypatch.setattr(w.tasks, "claim", broken)
    with pytest.raises(UsageError, match="this cannot be"):
        Worker(w, lambda claim: None).run()


def test_its_agent_is_there_while_it_works_and_says_goodbye(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(badge, "SETTLED", 0.0)
    w.tasks.create("x", id="one")
    free = threading.Event()

    def work(claim: Claim) -> None:
        free.wait(60)

    background = Background(Worker(w, work, can=["gpu"], jobs=5, limit=1))
    agent = until(lambda: next(iter(w.agents.list("status = 'busy'")), None))
    assert (agent.pid, agent.capabilities, agent.max_concurrent_tasks) == (os.getpid(), ["gpu"], 5)
    free.set()
    background.end()
    assert w.agents.get("ada").status == "offline"


def test_the_goodbye_of_another_worker_of_the_same_name_is_not_its_own(
    w: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(badge, "SIGN_OF_LIFE", 0.05)
    background = Background(Worker(w, lambda claim: None))
    until(lambda: w.agents.list())
    w.agents.set("ada", status="offline")
    until(lambda: w.agents.get("ada").status == "available")
    background.worker.stop()
    background.end()


def test_an_agent_that_somebody_limited_keeps_its_limit(w: Workspace) -> None:
    w.agents.register("ada", max_concurrent_tasks=1)
    told: list[str] = []
    Worker(w, lambda claim: None, jobs=2, idle=0, note=told.append).run()
    assert w.agents.get("ada").max_concurrent_tasks == 1
    assert "max_concurrent_tasks" in told[0]


def test_what_is_no_work_is_refused(w: Workspace) -> None:
    with pytest.raises(UsageError, match="no work"):
        Worker(w, 7)
    with pytest.raises(UsageError, match="at least one"):
        Worker(w, print, jobs=0)
    with pytest.raises(UsageError, match="list of texts"):
        Worker(w, print, can="gpu")


# ---------------------------------------------------------------- waking


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bell_waits_longer_and_longer_and_wakes_at_a_change() -> None:
    clock, sign = Clock(), [0]
    bell = Bell(lambda: sign[0], lambda: 0.5, clock)
    pauses = []
    for _ in range(8):
        begun = clock.now
        while not bell.look():
            clock.now += 0.0625
        pauses.append(clock.now - begun)
        bell.nothing()
    assert pauses == [0, 0.25, 0.375, 0.5625, 0.875, 1.3125, 1.9375, 2.0]
    assert not bell.look()
    sign[0] += 1
    assert bell.look()


def test_looking_takes_a_small_share_of_the_time() -> None:
    clock, sign = Clock(), [0]
    bell = Bell(lambda: sign[0], lambda: 0.5, clock)
    assert bell.look()
    clock.now += 0.5  # listing took so long
    bell.nothing()
    begun = clock.now
    while not bell.look():
        sign[0] += 1  # others write all the time
        clock.now += 0.05
    assert clock.now - begun == pytest.approx(10, abs=0.1)


def test_a_ring_ends_a_wait_and_is_not_kept_for_the_next() -> None:
    bell = Bell(lambda: None, lambda: 0.5)
    for _ in range(3):
        bell.ring()
    bell.wait(600)
    bell.wait(0.01)


def test_a_folder_tells_of_new_files(tmp_path: Path) -> None:
    sign = folder_sign(tmp_path)
    before = sign()
    os.utime(tmp_path, (1, 1))
    assert sign() != before
    assert folder_sign(None)() == folder_sign(None)()
    assert folder_sign(tmp_path / "gone")() is None
