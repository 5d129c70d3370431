"""What claims promise, over every backend: one winner, late writers refused, the dead recovered. No clock is
waited for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.config import Config
from mdcoord.errors import (
    Busy,
    ClaimLost,
    Conflict,
    InvalidName,
    MdcoordError,
    NotFound,
    NothingReady,
    NotReady,
    UsageError,
)
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

from .fakes import FakeHost
from .suite import ContractBase, being_written, in_threads

TTL = 900.0
OVER = TTL * 1.1 + 1
PAUSED = 300.0
"""Longer than any pause after a failed attempt."""

Open = Callable[..., Workspace]


class WorkspacesBase(ContractBase):
    """Workspaces on a backend, with a clock that the test moves."""

    @pytest.fixture
    def host(self) -> FakeHost:
        return FakeHost()

    @pytest.fixture
    def opened(self, backend: Backend, host: FakeHost) -> Iterator[Open]:
        """Workspaces on one backend; each is a session of its own."""
        made: list[Workspace] = []

        def make(agent: str = "ada", **rest: Any) -> Workspace:
            workspace = Workspace(
                backend, agent=agent, **{"host": host, "config": Config(retry_limit=3), **rest}
            )
            made.append(workspace)
            return workspace

        yield make
        for workspace in made:
            workspace.tasks.close()

    @pytest.fixture
    def w(self, opened: Open) -> Workspace:
        return opened()

    @staticmethod
    def claim(workspace: Workspace, *args: Any, **rest: Any) -> Any:
        return workspace.tasks.claim(*args, heartbeat=False, **rest)

    @staticmethod
    def names(workspace: Workspace, channel: str = "tasks") -> list[str]:
        try:
            return [event.name for event in workspace.events.tail(channel)]
        except NotFound:
            return []


class ClaimsContract(WorkspacesBase):
    """The verbs of `Workspace.tasks` on a backend."""

    # -- who gets what

    def test_a_claim_is_written_to_the_task(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train")
        host.forward(60)
        claim = self.claim(w)
        task = w.tasks.get("train")
        assert (task.status, task.assigned_agent, task.attempt) == ("in_progress", "ada", 1)
        assert task.started_at == task.assigned_at == task.updated_at == host.stamp()
        assert (claim.id, claim.agent, claim.session, claim.attempt) == ("train", "ada", w.session, 1)
        assert claim.token.startswith("1-")
        assert claim.as_dict() == {
            "agent": "ada",
            "session": w.session,
            "attempt": 1,
            "token": claim.token,
            "expires_at": claim.expires_at,
        }

    def test_the_highest_priority_then_the_oldest_goes_first(self, w: Workspace, host: FakeHost) -> None:
        for name, priority in (("old", 1), ("older", 1), ("low", -1), ("high", 5), ("none", None)):
            host.jump(-10 if name == "older" else 10)
            w.tasks.create(name, id=name, priority=0 if priority is None else priority)
        assert [self.claim(w).id for _ in range(5)] == ["high", "older", "old", "none", "low"]
        with pytest.raises(NothingReady) as caught:
            self.claim(w)
        assert caught.value.details["tasks"] == {"in_progress": 5}

    def test_a_new_task_of_high_priority_is_not_overlooked(self, w: Workspace) -> None:
        for number in range(3):
            w.tasks.create("x", id=f"n{number}")
        self.claim(w)
        w.tasks.create("urgent", id="urgent", priority=9)
        assert self.claim(w).id == "urgent"

    def test_one_winner_among_threads(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        won: list[str] = []

        def work(number: int) -> None:
            try:
                self.claim(opened("ada"), "train")
                won.append("claimed")
            except NotReady:
                won.append("refused")

        in_threads(8, work)
        assert sorted(won) == ["claimed"] + ["refused"] * 7
        assert w.tasks.get("train").attempt == 1

    def test_every_task_is_handed_out_once(self, w: Workspace, opened: Open) -> None:
        for number in range(24):
            w.tasks.create("x", id=f"n{number}", priority=number % 3)
        got: list[tuple[str, int]] = []

        def work(number: int) -> None:
            mine = opened("ada")
            while True:
                try:
                    claim = self.claim(mine)
                except NothingReady:
                    return
                claim.complete(result=number)
                got.append((claim.id, claim.attempt))

        in_threads(6, work)
        assert sorted(got) == sorted((f"n{number}", 1) for number in range(24))
        assert {task.status for task in w.tasks.list()} == {"completed"}

    def test_two_sessions_of_one_name_are_two(self, w: Workspace, opened: Open) -> None:
        other = opened("ada")
        w.tasks.create("Train", id="train")
        self.claim(w, "train")
        with pytest.raises(NotReady) as caught:
            self.claim(other, "train")
        assert f"held by ada (session {w.session})" in caught.value.message
        with pytest.raises(ClaimLost):
            other.tasks.complete("train")
        w.tasks.complete("train")

    def test_the_holder_asking_again_is_told_to_go_on(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w, "train")
        with pytest.raises(NotReady) as caught:
            self.claim(w, "train")
        assert claim.expires_at in caught.value.message
        assert "progress" in caught.value.hint
        assert caught.value.details["reasons"]

    def test_what_a_task_needs(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train", needs=["gpu", "training"])
        with pytest.raises(NothingReady):
            self.claim(w, can=["gpu"])
        assert w.tasks.why("train", can=["gpu"]) == ["it needs training"]
        assert self.claim(w, can=["training", "gpu", "more"]).id == "train"

    def test_what_an_agent_registered_counts_unless_it_says_otherwise(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train", needs=["gpu"], priority=2)
        w.tasks.create("Sweep", id="sweep")
        w.agents.register("ada", can=["sweeping"])
        assert self.claim(w).id == "sweep"
        with pytest.raises(NothingReady):
            self.claim(w)
        assert self.claim(w, can=["gpu"]).id == "train"

    def test_a_task_asked_for_by_name_needs_no_capabilities(self, w: Workspace) -> None:
        w.agents.register("ada", can=["sweeping"])
        w.tasks.create("Train", id="train", needs=["gpu"])
        assert self.claim(w, "train").id == "train"

    def test_a_task_assigned_to_another(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("Train", id="train", assign="bob")
        with pytest.raises(NothingReady):
            self.claim(w)
        with pytest.raises(NotReady, match="assigned to bob"):
            self.claim(w, "train")
        assert self.claim(opened("bob")).id == "train"

    def test_not_before_its_time(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train", not_before="2026-02-02T04:00:00+02:00")
        host.jump(-100_000)
        with pytest.raises(NothingReady):
            self.claim(w)
        assert w.tasks.why("train") == ["it is not to start before 2026-02-02T02:00:00.000Z"]
        host.jump(100_000)
        assert self.claim(w).id == "train"

    def test_after_what_it_depends_on(self, w: Workspace) -> None:
        w.tasks.create("Data", id="data")
        w.tasks.create("Train", id="train", depends_on=["task-data"], priority=9)
        assert [task.id for task in w.tasks.list("_ready = true")] == ["data"]
        assert w.tasks.why("train") == ["it depends on task data, which is pending"]
        claim = self.claim(w)
        assert claim.id == "data"
        with pytest.raises(NotReady, match="which is in_progress"):
            self.claim(w, "train")
        claim.complete()
        assert w.tasks.why("train") == []
        assert self.claim(w).id == "train"

    def test_after_a_task_that_is_not_there(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train", depends_on=["data"])
        with pytest.raises(NothingReady):
            self.claim(w)
        with pytest.raises(NotReady, match="does not exist"):
            self.claim(w, "train")

    def test_a_dependency_is_looked_at_again_at_the_claim(self, w: Workspace, opened: Open) -> None:
        """The list of what is ready may be old; a dependency that was reopened since still blocks."""
        w.tasks.create("Data", id="data", priority=9)
        w.tasks.create("Train", id="train", depends_on=["data"])
        w.tasks.create("First", id="first", priority=5)
        self.claim(w, "data").complete()
        assert self.claim(w).id == "first"
        opened("bob").tasks.retry("data")
        assert self.claim(w).id == "data"
        with pytest.raises(NothingReady):
            self.claim(w)

    def test_a_dependency_by_its_id_field(self, w: Workspace) -> None:
        w.backend.create("task", {"title": "Data", "task_id": "task-122"}, name="process-data")
        w.tasks.create("Train", id="train", depends_on=["task-122"])
        self.claim(w, "task-122").complete()
        assert w.tasks.get("train").ready
        assert self.claim(w, "train").id == "train"

    def test_a_task_in_progress_by_its_document_only(self, w: Workspace, opened: Open) -> None:
        fields = {"title": "x", "status": "in_progress", "assigned_agent": "ada"}
        w.backend.create("task", fields, name="train")
        bob = opened("bob")
        with pytest.raises(NotReady, match="which names ada") as caught:
            self.claim(bob, "train")
        assert "mdcoord task claim train --agent ada" in caught.value.hint
        assert w.recover() == []
        with pytest.raises(ClaimLost, match="which names ada") as lost:
            bob.tasks.complete("train")
        assert "--set status=pending" in lost.value.hint
        with pytest.raises(NothingReady):
            self.claim(w)
        self.claim(w, "train").complete()
        assert "task_recovered" not in self.names(w)

    def test_a_task_in_progress_that_names_nobody(self, w: Workspace) -> None:
        w.backend.create("task", {"title": "x", "status": "in_progress"}, name="train")
        for act in (lambda: self.claim(w, "train"), lambda: w.tasks.complete("train")):
            with pytest.raises(MdcoordError, match="which names nobody") as caught:
                act()
            assert "mdcoord task update train --set status=pending" in caught.value.hint
        assert ["which names nobody" in finding.message for finding in w.check()] == [True]
        w.tasks.update("train", {"status": "pending"})
        self.claim(w, "train").complete()

    def test_who_did_not_claim_is_told_to(self, w: Workspace) -> None:
        w.tasks.create("x", id="train")
        with pytest.raises(ClaimLost, match="held by nobody") as caught:
            w.tasks.complete("train")
        assert caught.value.hint == "claim it first: mdcoord task claim train"

    @pytest.mark.parametrize("status", ["completed", "failed", "dead", "cancelled", "blocked"])
    def test_only_pending_tasks_are_handed_out(self, w: Workspace, status: str) -> None:
        w.backend.create("task", {"title": "Train", "status": status}, name="train")
        with pytest.raises(NothingReady):
            self.claim(w)
        with pytest.raises(NotReady, match=f"its status is {status}"):
            self.claim(w, "train")

    def test_what_cannot_be_asked_for(self, w: Workspace, backend: Backend) -> None:
        with pytest.raises(NotFound):
            self.claim(w, "none")
        with pytest.raises(InvalidName):
            self.claim(w, "../x")
        with pytest.raises(UsageError):
            self.claim(w, ttl=0)
        nobody = Workspace(backend)
        nobody._env = w._env
        with pytest.raises(NothingReady, match="none at all"):
            self.claim(w)

    def test_a_busy_task_is_passed_over(self, w: Workspace, backend: Backend) -> None:
        w.tasks.create("x", id="first", priority=1)
        w.tasks.create("x", id="second")
        with being_written(backend, Key("task", "first")):
            assert self.claim(w).id == "second"
            with pytest.raises(Busy):
                self.claim(w, wait=0.01)
        assert self.claim(w).id == "first"

    def test_an_unreadable_task_is_passed_over(self, w: Workspace, backend: Backend) -> None:
        for name in ("first", "second"):
            w.tasks.create("x", id=name)
        self.claim(w).release()
        self.save_by_hand(backend, Key("task", "first"), "---\ntitle: [\n---\n")
        assert self.claim(w).id == "second"

    # -- what holders do

    def test_progress_and_completion(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        host.forward(10)
        task = claim.progress(0.35, step=3500, agent="a fact", log="checkpoint saved")
        assert (task.progress, task.metadata) == (0.35, {"step": 3500, "agent": "a fact"})
        assert task.logs == [{"at": host.stamp(), "message": "checkpoint saved"}]
        assert task.updated_at == host.stamp()
        host.forward(10)
        done = claim.complete(result={"path": "final.pt"})
        assert (done.status, done.progress, done.result) == ("completed", 1, {"path": "final.pt"})
        assert done.completed_at == done.updated_at == host.stamp()
        with pytest.raises(ClaimLost):
            w.tasks.progress("train", 0.5)
        assert w.tasks.get("train").as_dict() == done.as_dict() | {"_ready": False, "_stale": False}

    @pytest.mark.parametrize("value", [-0.1, 1.1, 35])
    def test_progress_is_between_0_and_1(self, w: Workspace, value: float) -> None:
        w.tasks.create("Train", id="train")
        with pytest.raises(UsageError):
            self.claim(w).progress(value)

    def test_every_write_of_the_holder_renews(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        other = opened("bob")
        for step in (claim.heartbeat, lambda: claim.progress(0.1), claim.heartbeat):
            host.forward(TTL)
            step()
            with pytest.raises(NothingReady):
                self.claim(other)
        host.forward(OVER)
        assert self.claim(other).attempt == 2

    def test_a_heartbeat_does_not_touch_the_document(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        text, before = w.tasks.text("train"), claim.expires_at
        host.forward(100)
        claim.heartbeat()
        assert w.tasks.text("train") == text
        assert claim.expires_at > before

    def test_failing_until_dead(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train")
        for attempt in (1, 2, 3):
            host.forward(10)
            claim = self.claim(w)
            assert claim.attempt == attempt
            task = claim.fail(f"reason {attempt}")
            assert task.error == f"reason {attempt}"
            assert task.status == ("pending" if attempt < 3 else "dead")
            assert (task.assigned_agent is None) == (attempt < 3)
        with pytest.raises(NothingReady):
            self.claim(w)
        assert [line["message"] for line in task.logs] == [
            f"attempt {n} failed: reason {n}" for n in (1, 2, 3)
        ]
        assert self.names(w) == ["task_failed", "task_failed", "task_dead"]

    def test_a_task_has_its_own_retry_limit(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train", retry_limit=1)
        assert self.claim(w).fail("no").status == "dead"

    def test_released_attempts_do_not_count(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train", retry_limit=2)
        for _ in range(4):
            task = self.claim(w).release()
            assert (task.status, task.assigned_agent, task.started_at) == ("pending", None, None)
        assert self.claim(w).fail("first").status == "pending"
        host.forward(PAUSED)
        claim = self.claim(w)
        assert claim.attempt == 6
        assert claim.fail("second").status == "dead"

    def test_retry_gives_new_attempts(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train", retry_limit=1)
        self.claim(w).fail("no")
        task = w.tasks.retry("train")
        assert (task.status, task.assigned_agent, task.completed_at) == ("pending", None, None)
        assert w.tasks.retry("train").version == task.version
        claim = self.claim(w)
        assert claim.attempt == 2
        with pytest.raises(Conflict):
            w.tasks.retry("train")
        assert claim.complete().error is None
        assert w.tasks.retry("train").progress is None

    def test_an_assignment_outlives_claims(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("Train", id="train", assign="ada")
        for end in ("release", "fail"):
            claim = self.claim(w)
            task = claim.release() if end == "release" else claim.fail("no")
            assert task.assigned_agent == "ada"
            with pytest.raises(NothingReady):
                self.claim(opened("bob"))

    def test_routine_events_only_when_wanted(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train")
        self.claim(w).complete()
        assert self.names(w) == []

    def test_all_events(self, opened: Open) -> None:
        w = opened(config=Config(events="all"))
        w.tasks.create("Train", id="train")
        self.claim(w).release()
        self.claim(w).complete()
        assert self.names(w) == [
            "task_created",
            "task_claimed",
            "task_released",
            "task_claimed",
            "task_completed",
        ]
        last = w.events.last("tasks", 1)[0]
        assert dict(last.data) == {"task_id": "train", "agent": "ada", "attempt": 2}

    # -- losing a claim

    def test_late_writers_are_refused(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        late = self.claim(w)
        host.forward(OVER)
        now = self.claim(opened("bob"))
        text = w.tasks.text("train")
        for step in (
            late.heartbeat,
            lambda: late.progress(0.9),
            late.complete,
            lambda: late.fail("x"),
            late.release,
        ):
            with pytest.raises(ClaimLost) as caught:
                step()
        assert late.lost
        assert caught.value.details["holder"] == "bob"
        for verb in ("heartbeat", "progress", "complete", "release"):
            with pytest.raises(ClaimLost):
                getattr(w.tasks, verb)("train", token=late.token)
        assert w.tasks.text("train") == text
        assert now.complete().attempt == 2

    def test_the_token_alone_decides(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        stranger = opened("bob")
        with pytest.raises(ClaimLost):
            stranger.tasks.progress("train", 0.5)
        with pytest.raises(ClaimLost):
            w.tasks.progress("train", 0.5, token="1-0000")
        assert stranger.tasks.progress("train", 0.5, token=claim.token).progress == 0.5

    def test_an_expired_claim_nobody_took_is_still_the_holders(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        host.forward(OVER)
        assert claim.complete().status == "completed"

    def test_grace(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        self.claim(w)
        host.forward(TTL * 1.1)
        with pytest.raises(NothingReady):
            self.claim(opened("bob"))
        host.forward(1)
        assert self.claim(opened("bob")).attempt == 2

    def test_a_task_that_was_deleted(self, w: Workspace, backend: Backend) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        backend.delete(Key("task", "train"))
        with pytest.raises(ClaimLost):
            claim.progress(0.5)
        assert claim.lost

    def test_numbers_of_attempts_go_on_in_a_new_task_of_the_same_name(
        self, w: Workspace, backend: Backend
    ) -> None:
        w.tasks.create("Train", id="train", retry_limit=1)
        claim = self.claim(w)
        backend.delete(Key("task", "train"))
        w.tasks.create("Train again", id="train", retry_limit=1)
        with pytest.raises(ClaimLost):
            claim.complete()
        again = self.claim(w)
        assert again.attempt == 2
        assert again.fail("the first of this task").status == "dead"

    def test_a_held_task_is_not_removed(self, w: Workspace) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        with pytest.raises(Conflict, match="held by ada"):
            w.tasks.remove("train")
        claim.release()
        assert w.tasks.remove("train") in w.backend.archived()

    # -- recovery

    def test_an_expired_claim_is_recovered_by_the_next_claimer(
        self, w: Workspace, host: FakeHost, opened: Open
    ) -> None:
        w.tasks.create("Train", id="train")
        self.claim(w)
        host.forward(OVER)
        claim = self.claim(opened("bob"))
        assert (claim.attempt, claim.task.assigned_agent) == (2, "bob")
        (event,) = w.events.tail("tasks")
        assert event.name == "task_recovered"
        assert dict(event.data) == {
            "task_id": "train",
            "previous_agent": "ada",
            "previous_session": w.session,
            "reason": "it expired",
            "attempt": 2,
        }
        assert claim.task.logs[0]["message"] == f"taken from ada (session {w.session}): it expired"

    def test_recovery_of_all(self, w: Workspace, host: FakeHost) -> None:
        for name in ("one", "two", "done"):
            w.tasks.create("x", id=name)
        self.claim(w, "done").complete()
        self.claim(w, "one")
        assert w.recover() == []
        host.forward(OVER)
        self.claim(w, "two")
        (found,) = w.recover()
        assert (found.id, found.status, found.previous_agent, found.reason) == (
            "one",
            "pending",
            "ada",
            "it expired",
        )
        task = w.tasks.get("one")
        assert (task.status, task.assigned_agent, task.attempt) == ("pending", None, 1)
        assert w.tasks.get("two").status == "in_progress"
        assert self.names(w) == ["task_recovered"]
        assert w.recover() == []
        assert self.claim(w).attempt == 2

    def test_the_last_attempt_of_the_dead_is_a_dead_letter(
        self, w: Workspace, host: FakeHost, opened: Open
    ) -> None:
        for name in ("lazily", "at-once"):
            w.tasks.create("x", id=name, retry_limit=1)
            self.claim(w, name)
        host.forward(OVER)
        with pytest.raises(NotReady):
            self.claim(opened("bob"), "at-once")
        with pytest.raises(NothingReady):
            self.claim(opened("bob"))
        assert {task.id: task.status for task in w.tasks.list()} == {"lazily": "dead", "at-once": "dead"}
        assert self.names(w) == ["task_dead", "task_dead"]
        assert w.recover() == []

    def test_a_dead_process_loses_its_claim_at_once(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        host.living = {41: "morning", 42: "noon"}
        w.tasks.create("Train", id="train")
        self.claim(w, pid=41)
        bob = opened("bob")
        with pytest.raises(NothingReady):
            self.claim(bob)
        host.living[41] = "another process of the same number"
        taken = self.claim(bob, pid=42)
        assert taken.attempt == 2
        assert next(iter(w.events.tail("tasks"))).data["reason"] == "its process is gone"
        del host.living[42]
        assert [found.id for found in w.recover()] == ["train"]

    def test_another_machine_is_timed_by_watching(self, w: Workspace, opened: Open) -> None:
        """Whatever the other machine's clock says: a claim that I saw unchanged for its ttl is over, one that
        moves is not.
        """
        elsewhere = FakeHost("there", "boot-9", now=FakeHost().now() + 86_400)
        far = opened("bob", host=elsewhere)
        w.tasks.create("Train", id="train")
        claim = self.claim(far)
        host = w.host
        assert isinstance(host, FakeHost)
        for _ in range(3):
            with pytest.raises(NothingReady):
                self.claim(w)
            host.forward(TTL)
            claim.heartbeat()
        assert w.recover() == []
        host.forward(OVER)
        assert self.claim(w).attempt == 2
        with pytest.raises(ClaimLost):
            claim.heartbeat()

    def test_recover_starts_the_watch_too(self, w: Workspace, opened: Open) -> None:
        far = opened("bob", host=FakeHost("there", "boot-9", now=FakeHost().now() + 86_400))
        w.tasks.create("Train", id="train")
        self.claim(far)
        assert w.recover() == []
        assert isinstance(w.host, FakeHost)
        w.host.forward(OVER)
        assert [found.reason for found in w.recover()] == ["no sign of life for its time to live"]

    # -- documents that were changed by hand, or came from git

    def test_set_to_pending_by_hand(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        opened("a person").tasks.update("train", {"status": "pending"})
        with pytest.raises(ClaimLost, match="set to pending"):
            claim.progress(0.5)
        assert self.claim(opened("bob")).attempt == 2

    @pytest.mark.parametrize("status", ["cancelled", "completed"])
    def test_ended_by_hand(self, w: Workspace, status: str) -> None:
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        w.tasks.update("train", {"status": status})
        with pytest.raises(ClaimLost, match=f"set to {status}"):
            claim.complete(result=1)
        assert w.tasks.get("train").status == status
        with pytest.raises(NotReady, match=f"its status is {status}"):
            self.claim(w, "train")

    def test_a_document_older_than_its_claim(self, w: Workspace, backend: Backend, opened: Open) -> None:
        """A checkout brings back the pending task; the claim stands, and no number is given out twice."""
        w.tasks.create("Train", id="train")
        old = w.tasks.text("train")
        claim = self.claim(w)
        lease = backend.lease(Key("task", "train"))
        backend.delete(Key("task", "train"))
        self.save_by_hand(backend, Key("task", "train"), old)
        assert backend.lease(Key("task", "train")) == lease
        with pytest.raises(NothingReady):
            self.claim(opened("bob"))
        done = claim.complete()
        assert (done.status, done.attempt) == ("completed", 1)

    def test_a_rolled_back_number_is_not_given_out_again(
        self, w: Workspace, backend: Backend, host: FakeHost
    ) -> None:
        w.tasks.create("Train", id="train")
        old = w.tasks.text("train")
        for _ in range(2):
            host.forward(PAUSED)
            self.claim(w).fail("no")
        backend.delete(Key("task", "train"))
        self.save_by_hand(backend, Key("task", "train"), old)
        claim = self.claim(w)
        assert claim.attempt == 3
        assert claim.fail("but the first that this document knows of").status == "pending"

    def test_a_lost_lease(self, w: Workspace, backend: Backend, host: FakeHost, opened: Open) -> None:
        """A fresh clone knows no claims: the agent named in the task goes on, another one waits for a ttl."""
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        backend.write(Key("task", "train"), Change(lease=None))
        bob = opened("bob")
        with pytest.raises(NothingReady):
            self.claim(bob)
        with pytest.raises(NotReady, match="no claim is known here"):
            self.claim(bob, "train")
        with pytest.raises(ClaimLost):
            bob.tasks.complete("train")
        assert claim.progress(0.5).attempt == 1
        assert w.tasks.get("train").holder.token == claim.token

    def test_a_lost_lease_is_over_after_a_ttl_without_a_change(
        self, w: Workspace, backend: Backend, host: FakeHost, opened: Open
    ) -> None:
        w.tasks.create("Train", id="train")
        self.claim(w)
        backend.write(Key("task", "train"), Change(lease=None))
        bob = opened("bob")
        with pytest.raises(NothingReady):
            self.claim(bob)
        host.forward(TTL)
        w.tasks.update("train", {"progress": 0.4})
        with pytest.raises(NothingReady):
            self.claim(bob)
        host.forward(TTL)
        with pytest.raises(NothingReady):
            self.claim(bob)
        host.forward(TTL * 0.1 + 1)
        claim = self.claim(bob)
        assert claim.attempt == 2
        with pytest.raises(ClaimLost):
            w.tasks.complete("train")

    def test_work_that_a_person_began_by_hand(self, w: Workspace, backend: Backend) -> None:
        text = "# Task: Train\n\n**Task ID**: task-9\n**Status**: in_progress\n**Assigned Agent**: ada\n"
        backend.create("task", {}, name="train")
        backend.delete(Key("task", "train"))
        self.save_by_hand(backend, Key("task", "train"), text)
        assert w.tasks.progress("task-9", 0.5).attempt == 1
        assert w.tasks.complete("task-9").status == "completed"

    # -- asking again

    def test_a_repeated_claim_is_the_same_claim(self, w: Workspace, opened: Open) -> None:
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        first = self.claim(w, op="op-1")
        again = self.claim(w, op="op-1")
        assert (again.id, again.token, again.attempt) == (first.id, first.token, 1)
        by_name = self.claim(w, first.id, op="op-1")
        assert by_name.token == first.token
        assert self.claim(opened("bob"), op="op-1").id != first.id

    def test_a_repeated_claim_that_was_lost(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="one")
        self.claim(w, "one", op="op-1")
        host.forward(OVER)
        self.claim(opened("bob"))
        with pytest.raises(ClaimLost):
            self.claim(w, "one", op="op-1")
        with pytest.raises(NothingReady):
            self.claim(w, op="op-1")

    @pytest.mark.parametrize("verb", ["complete", "fail", "release"])
    def test_a_repeated_end_is_done_once(self, w: Workspace, verb: str) -> None:
        w.tasks.create("x", id="one")
        token = self.claim(w).token
        rest = ("it broke",) if verb == "fail" else ()
        first = getattr(w.tasks, verb)("one", *rest, token=token, op="op-2")
        again = getattr(w.tasks, verb)("one", *rest, token=token, op="op-2")
        assert again.version == first.version
        assert self.names(w) == (["task_failed"] if verb == "fail" else [])
        with pytest.raises(ClaimLost):
            getattr(w.tasks, verb)("one", *rest, token=token, op="op-3")

    # -- the block

    def test_the_block_ends_with_the_verdict(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        with w.tasks.claim() as claim:
            claim.complete()
        assert w.tasks.get("one").status == "completed"

    def test_leaving_without_a_verdict_releases(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", retry_limit=1)
        with w.tasks.claim():
            pass
        assert w.tasks.get("one").status == "pending"

    def test_an_exception_fails_the_task(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", retry_limit=1)
        with pytest.raises(ValueError, match="no such file"), w.tasks.claim():
            raise ValueError("no such file")
        task = w.tasks.get("one")
        assert (task.status, task.error) == ("dead", "ValueError: no such file")

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_releases(self, w: Workspace, kind: type[BaseException]) -> None:
        w.tasks.create("x", id="one", retry_limit=1)
        with pytest.raises(kind), w.tasks.claim():
            raise kind
        assert w.tasks.get("one").status == "pending"

    def test_leaving_a_lost_claim(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        with pytest.raises(ClaimLost), w.tasks.claim():
            w.tasks.update("one", {"status": "cancelled"})
        w.tasks.retry("one")
        first = ValueError("the first")

        def work() -> None:
            with w.tasks.claim():
                w.tasks.update("one", {"status": "cancelled"})
                raise first

        with pytest.raises(ValueError, match="the first"):
            work()
        assert "claim" in first.__notes__[0]

    def test_the_background_finds_the_loss(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        claim = w.tasks.claim(ttl=0.03)
        w.tasks.update("one", {"status": "cancelled"})
        gone = threading.Event()
        for _ in range(500):
            if claim.lost:
                break
            gone.wait(0.01)
        assert claim.lost
        with pytest.raises(ClaimLost):
            claim.progress(0.5)

    def test_the_background_keeps_a_claim_alive(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        claim = w.tasks.claim(ttl=0.03)
        first = w.tasks.get("one").holder.beat
        pause = threading.Event()
        for _ in range(500):
            if w.tasks.get("one").holder.beat >= first + 3:
                break
            pause.wait(0.01)
        assert w.tasks.get("one").holder.beat >= first + 3
        claim.complete()

    def test_a_claim_of_the_library_ends_with_its_process(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        with w.tasks.claim() as claim:
            assert w.tasks.get("one").holder.pid == os.getpid()
            claim.complete()
