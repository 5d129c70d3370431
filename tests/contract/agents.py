"""What registered agents are promised, over every backend: limits, breakers, figures, presence."""

from __future__ import annotations

from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.config import Config
from mdcoord.errors import Busy, NothingReady, NotReady, UsageError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

from .claims import OVER, Open, WorkspacesBase
from .fakes import FakeHost
from .suite import being_written, in_threads

COOLDOWN = 60.0


class AgentsContract(WorkspacesBase):
    """`Workspace.agents`, and how claims look after registered agents."""

    def fails(self, workspace: Workspace, host: FakeHost, times: int) -> None:
        """Let its agent fail so often, each time at another task."""
        for _ in range(times):
            workspace.tasks.create("hard", id=f"hard-{int(host.now() * 4)}", priority=9, retry_limit=1)
            self.claim(workspace).fail("no idea")
            host.forward(0.25)

    # -- how many tasks at a time

    def test_an_agent_holds_no_more_than_it_may(self, w: Workspace) -> None:
        w.agents.register(max_concurrent_tasks=2)
        for number in range(4):
            w.tasks.create("x", id=f"n{number}")
        first, _second = self.claim(w), self.claim(w)
        w.tasks.refresh()
        with pytest.raises(NothingReady, match="max_concurrent_tasks is 2") as caught:
            self.claim(w)
        assert caught.value.details["tasks"] == {"in_progress": 2, "pending": 2}
        with pytest.raises(NotReady, match="ada holds n0, n1"):
            self.claim(w, "n3")
        assert "max_concurrent_tasks" in w.tasks.why("n3", agent="ada")[0]
        first.complete()
        assert self.claim(w).id == "n2"

    def test_the_configured_limit_is_for_registered_agents(self, opened: Open) -> None:
        w = opened(config=Config(max_concurrent_tasks=1))
        for number in range(4):
            w.tasks.create("x", id=f"n{number}")
        self.claim(w), self.claim(w)
        w.agents.register()
        with pytest.raises(NothingReady):
            self.claim(w)
        assert self.claim(opened("bob", config=w.config)).id == "n2"

    def test_what_is_over_does_not_count(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.agents.register(max_concurrent_tasks=1)
        for name in ("released", "failed", "by-hand", "expired", "last"):
            w.tasks.create("x", id=name)
        self.claim(w, "released").release()
        self.claim(w, "failed").fail("no")
        self.claim(w, "by-hand")
        w.tasks.update("by-hand", {"status": "cancelled"})
        self.claim(w, "expired")
        host.forward(OVER)
        assert self.claim(w, "last").attempt == 1

    def test_what_others_took_over_or_ended_does_not_count(
        self, w: Workspace, host: FakeHost, opened: Open
    ) -> None:
        w.agents.register(max_concurrent_tasks=1)
        self.works(w)
        for name in ("one", "two", "three"):
            w.tasks.create("x", id=name)
        self.claim(w, "one")
        host.forward(OVER)
        self.claim(opened("bob"), "one")
        claim = self.claim(w, "two")
        opened("bob").tasks.complete("two", token=claim.token)
        assert self.claim(w).id == "three"

    def test_no_task_for_a_limit_of_none(self, w: Workspace) -> None:
        w.agents.register(max_concurrent_tasks=0)
        w.tasks.create("x")
        with pytest.raises(NothingReady, match="holds none"):
            self.claim(w)
        with pytest.raises(UsageError):
            w.agents.register(max_concurrent_tasks=-1)

    def test_the_limit_holds_among_threads(self, w: Workspace, opened: Open) -> None:
        w.agents.register(max_concurrent_tasks=3)
        for number in range(12):
            w.tasks.create("x", id=f"n{number:02}")
        got: list[Any] = []

        def work(number: int) -> None:
            mine = opened("ada")
            for _ in range(3):
                try:
                    got.append(self.claim(mine))
                except NothingReady:
                    return

        in_threads(6, work)
        held = [task.id for task in w.tasks.list("status = 'in_progress'")]
        assert 1 <= len(held) <= 3
        assert sorted(claim.id for claim in got) == held
        for claim in got:
            claim.complete()
        while len(w.tasks.list("status = 'pending'")) > 0:
            self.claim(w).complete()
        assert {task.status for task in w.tasks.list()} == {"completed"}

    def test_a_repeated_claim_is_answered_at_the_limit(self, w: Workspace) -> None:
        w.agents.register(max_concurrent_tasks=1)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        token = self.claim(w, op="op-1").token
        assert self.claim(w, op="op-1").token == token
        assert self.claim(w, "one", op="op-1").token == token

    def test_lost_notes_are_made_again_from_the_tasks(self, w: Workspace, backend: Backend) -> None:
        w.agents.register(max_concurrent_tasks=1)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        self.claim(w)
        backend.keep("agents", "ada", lambda _: None)
        w.tasks.refresh()
        with pytest.raises(NothingReady):
            self.claim(w)

    def test_lost_notes_are_made_again_though_one_remembers_others(
        self, w: Workspace, opened: Open, backend: Backend
    ) -> None:
        w.agents.register(max_concurrent_tasks=1)
        self.works(w)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        held = self.claim(opened("ada"))
        backend.keep("agents", "ada", lambda _: None)
        with pytest.raises(NothingReady, match=f"ada holds {held.id}"):
            self.claim(w)

    def works(self, workspace: Workspace) -> None:
        """Let its agent claim and complete until its process has seen that it is alone."""
        for number in range(3):
            workspace.tasks.create("easy", id=f"easy-{number}", priority=9)
            self.claim(workspace).complete()

    def test_what_others_say_of_an_agent_counts_at_once(self, w: Workspace, opened: Open) -> None:
        w.agents.register()
        self.works(w)
        w.tasks.create("x")
        opened("bob").agents.set("ada", max_concurrent_tasks=0)
        with pytest.raises(NothingReady, match="max_concurrent_tasks is 0"):
            self.claim(w)
        opened("bob").agents.remove("ada")
        assert self.claim(w).attempt == 1

    def test_others_of_its_name_take_its_places(self, w: Workspace, opened: Open) -> None:
        w.agents.register(max_concurrent_tasks=1)
        self.works(w)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        other = self.claim(opened("ada"))
        for _ in range(2):
            w.tasks.refresh()
            with pytest.raises(NothingReady, match=f"ada holds {other.id}"):
                self.claim(w)
        assert {task.id: task.status for task in w.tasks.list("status != 'completed'")} == {
            "one": "in_progress",
            "two": "pending",
        }
        other.complete()
        assert self.claim(w).id == "two"

    def test_who_shares_its_places_asks_before_it_claims(self, w: Workspace, opened: Open) -> None:
        w.agents.register(max_concurrent_tasks=1)
        self.works(w)
        other = opened("ada")
        for number in range(5):
            w.tasks.create("x", id=f"a{number}")
            w.tasks.create("x", id=f"b{number}")
            claim = self.claim(other)
            with pytest.raises(NothingReady, match=f"ada holds {claim.id}"):
                self.claim(w)
            claim.complete()
            self.claim(w).complete()
        assert sum(task.get("excused", 0) for task in w.tasks.list()) <= 1, "once it could not know"

    def test_who_is_made_known_anew_holds_what_it_held(self, w: Workspace) -> None:
        w.agents.register(max_concurrent_tasks=1)
        self.works(w)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        self.claim(w)
        w.agents.remove("ada")
        w.agents.register(max_concurrent_tasks=1)
        with pytest.raises(NothingReady, match="ada holds one"):
            self.claim(w)

    def test_notes_of_an_agent_stay_short(self, w: Workspace, opened: Open, backend: Backend) -> None:
        w.agents.register(max_concurrent_tasks=1000)
        for number in range(60):
            w.tasks.create("x", id=f"n{number}")
            claim = self.claim(w if number < 40 else opened("ada"))
            (w if number % 2 else opened("bob")).tasks.complete(claim.id, token=claim.token)
            memo = backend.memo("agents", "ada")
            assert isinstance(memo, dict)
            assert len(memo["active"]) <= 17

    # -- circuit breaker

    def test_who_fails_again_and_again_is_given_nothing(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        self.fails(w, host, 2)
        assert w.agents.get().circuit_breaker["state"] == "CLOSED"
        self.fails(w, host, 1)
        breaker = w.agents.get().circuit_breaker
        assert (breaker["state"], breaker["failure_count"], breaker["threshold"]) == ("OPEN", 3, 3)
        w.tasks.create("x", id="easy", priority=99)
        for id in (None, "easy"):
            with pytest.raises((NothingReady, NotReady), match=r"circuit breaker is open after 3 failures"):
                self.claim(w, id)
        assert self.names(w, "agent") == ["agent_registered", "agent_breaker_opened"]

    def test_a_trial_decides(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        self.fails(w, host, 3)
        for name in ("first", "second", "third"):
            w.tasks.create("x", id=name, priority=99)
        host.forward(COOLDOWN)
        assert w.agents.get().circuit_breaker["state"] == "HALF_OPEN"
        trial = self.claim(w)
        with pytest.raises(NothingReady, match="on trial with first"):
            self.claim(w)
        trial.fail("still not")
        assert w.agents.get().circuit_breaker["state"] == "OPEN"
        with pytest.raises(NothingReady):
            self.claim(w)
        host.forward(COOLDOWN)
        self.claim(w).complete()
        assert w.agents.get().circuit_breaker["state"] == "CLOSED"
        self.claim(w), self.claim(w)
        assert self.names(w, "agent")[1:] == [
            f"agent_breaker_{turn}" for turn in ("opened", "opened", "closed")
        ]

    def test_a_trial_that_is_given_back_decides_nothing(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        self.fails(w, host, 3)
        for name in ("first", "second"):
            w.tasks.create("x", id=name)
        host.forward(COOLDOWN)
        self.claim(w).release()
        assert self.claim(w).id == "first"
        assert w.agents.get().circuit_breaker["state"] == "HALF_OPEN"

    def test_only_one_trial_among_threads(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.agents.register()
        self.fails(w, host, 3)
        for number in range(8):
            w.tasks.create("x", id=f"n{number}", priority=99)
        host.forward(COOLDOWN)
        got: list[str] = []

        def work(number: int) -> None:
            try:
                got.append(self.claim(opened("ada")).id)
            except NothingReady:
                pass

        in_threads(6, work)
        assert len(got) <= 1
        assert len(w.tasks.list("status = 'in_progress'")) == len(got)

    def test_a_success_in_between_starts_anew(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        self.fails(w, host, 2)
        w.tasks.create("x", id="easy", priority=99)
        self.claim(w).complete()
        assert w.agents.get().circuit_breaker["failure_count"] == 0
        self.fails(w, host, 2)
        assert w.agents.get().circuit_breaker["state"] == "CLOSED"

    def test_a_success_forgets_what_failed_elsewhere(
        self, w: Workspace, host: FakeHost, opened: Open
    ) -> None:
        w.agents.register()
        self.works(w)
        for name in ("long", "short"):
            w.tasks.create("x", id=name)
        claim = self.claim(w, "long")
        self.fails(opened("ada"), host, 1)
        host.forward(2.0)
        claim.complete()
        assert w.agents.get().circuit_breaker["failure_count"] == 0
        claim = self.claim(w, "short")
        self.fails(opened("ada"), host, 1)
        claim.complete()
        assert w.agents.get().circuit_breaker["failure_count"] <= 1, "what failed just now may be overlooked"
        w.tasks.create("x", id="last")
        self.claim(w).complete()
        assert w.agents.get().circuit_breaker["failure_count"] == 0

    def test_a_success_forgets_what_failed_while_it_was_worked_for(self, w: Workspace) -> None:
        w.agents.register()
        self.works(w)
        for name in ("one", "two"):
            w.tasks.create("x", id=name)
        first, second = self.claim(w), self.claim(w)
        second.fail("no")
        first.complete()
        assert w.agents.get().circuit_breaker["failure_count"] == 0

    def test_successes_do_not_write_the_document(self, w: Workspace) -> None:
        w.agents.register()
        before = w.agents.text("ada")
        w.tasks.create("x")
        self.claim(w).complete()
        assert w.agents.text("ada") == before

    def test_a_breaker_in_peoples_hands(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        w.tasks.create("x", id="easy")
        w.agents.set("ada", circuit_breaker={"state": "open"})
        host.forward(10 * COOLDOWN)
        with pytest.raises(NothingReady, match="until somebody closes it"):
            self.claim(w)
        assert w.agents.reset("ada").circuit_breaker["state"] == "CLOSED"
        self.claim(w).release()
        w.agents.set("ada", circuit_breaker={"threshold": 1})
        self.fails(w, host, 1)
        with pytest.raises(NothingReady):
            self.claim(w)
        w.agents.set("ada", **{"circuit_breaker.state": "CLOSED"})
        assert self.claim(w).id == "easy"

    def test_a_process_that_died_has_not_failed(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.agents.register()
        for number in range(3):
            w.tasks.create("x", id=f"n{number}")
            self.claim(w)
        host.forward(OVER)
        assert len(w.recover()) == 3
        assert "circuit_breaker" not in w.agents.get().fields

    def test_other_agents_pay_nothing(self, w: Workspace, backend: Backend, host: FakeHost) -> None:
        for _ in range(4):
            self.fails(w, host, 1)
        w.tasks.create("x")
        self.claim(w).complete()
        assert backend.memos("agents") == {}
        assert w.agents.list() == []

    # -- what is told about them

    def test_an_agent_shows_what_its_tasks_tell(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register(max_concurrent_tasks=4)
        w.tasks.create("Train", id="train", project="proj-1", priority=3)
        w.tasks.create("Data", id="data", priority=2)
        w.tasks.create("Hard", id="hard", priority=1)
        claim = self.claim(w)
        claim.progress(0.35, step=3500)
        data, hard = self.claim(w), self.claim(w)
        host.forward(90)
        data.complete()
        host.forward(10)
        hard.fail("no")
        agent = w.agents.get()
        assert agent.active_tasks == [
            {
                "task_id": "train",
                "title": "Train",
                "project_id": "proj-1",
                "started_at": w.tasks.get("train").started_at,
                "status": "in_progress",
                "progress": 0.35,
                "metadata": {"step": 3500},
            }
        ]
        assert [
            (done["task_id"], done["duration_sec"], done["success"]) for done in agent.recent_completions
        ] == [
            ("hard", 100.0, False),
            ("data", 90.0, True),
        ]
        assert agent.metrics == {
            "workload_pct": 25,
            "success_rate": 0.5,
            "succeeded": 1,
            "total_tasks": 2,
            "failed_tasks": 1,
            "avg_duration_sec": 90.0,
        }
        assert w.agents.list("metrics.workload_pct > 20")[0].id == "ada"

    def test_the_document_follows_at_the_next_sign_of_life(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        w.tasks.create("Train", id="train")
        claim = self.claim(w)
        assert "Train" not in w.agents.text("ada")
        host.forward(10)
        w.agents.heartbeat()
        assert "### Task: Train" in w.agents.text("ada")
        claim.complete()
        w.agents.set(status="idle")
        text = w.agents.text("ada")
        assert "### Task: Train" not in text
        assert "- **Train** (train)" in text
        assert "- **Success Rate**: 100% (1/1)" in text

    def test_what_an_agent_says_itself_stays_where_it_claims_nothing(self, w: Workspace) -> None:
        w.agents.register(active_tasks=[{"task_id": "by-hand"}])
        w.agents.set(**{"metrics.workload_pct": 85})
        agent = w.agents.heartbeat()
        assert (agent.metrics, agent.active_tasks) == ({"workload_pct": 85}, [{"task_id": "by-hand"}])

    def test_completions_are_those_of_a_day(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        for number in range(12):
            w.tasks.create("x", id=f"n{number}")
            self.claim(w).complete()
            host.forward(3600)
        listed = w.agents.get().recent_completions
        assert [done["task_id"] for done in listed] == [f"n{number}" for number in range(11, 1, -1)]
        host.forward(86_400 - 3600 * 6 + 1)
        assert len(w.agents.get().recent_completions) == 5
        host.forward(86_400)
        assert w.agents.get().metrics["total_tasks"] == 0

    # -- presence

    def test_presence_by_time(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        seen = []
        for _ in range(4):
            seen.append(w.agents.get().presence)
            host.forward(60)
        assert seen == ["online", "online", "stale", "offline"]
        w.agents.heartbeat()
        assert w.agents.get()["_presence"] == "online"
        w.agents.set(status="offline")
        assert [agent.presence for agent in w.agents.list()] == ["offline"]

    def test_presence_by_process(self, w: Workspace, host: FakeHost) -> None:
        host.living = {41: ""}
        w.agents.register(pid=41)
        assert w.agents.get().presence == "online"
        del host.living[41]
        assert w.agents.get().presence == "offline"

    def test_claims_are_signs_of_life(self, w: Workspace, host: FakeHost) -> None:
        w.agents.register()
        w.tasks.create("x", id="one")
        claim = self.claim(w)
        host.forward(200)
        assert w.agents.get().presence == "offline"
        claim.heartbeat()
        assert w.agents.get().presence == "online"
        host.forward(80)
        claim.complete()
        host.forward(80)
        assert w.agents.get().presence == "online"

    def test_a_claim_of_a_dead_process_is_no_sign_of_life(self, w: Workspace, host: FakeHost) -> None:
        host.living = {41: "", 42: "noon"}
        w.agents.register(pid=41)
        w.tasks.create("x", id="one")
        self.claim(w, pid=42)
        host.living.clear()
        assert w.agents.get().presence == "offline"

    def test_work_keeps_an_agent_from_being_called_stale_or_archived(
        self, w: Workspace, host: FakeHost
    ) -> None:
        w.agents.register("ada")
        w.agents.register("idle")
        host.forward(86_000)
        w.tasks.create("x", id="one")
        self.claim(w).complete()
        host.forward(1000)
        stale = {agent.id: (agent.stale, agent["_last_seen"]) for agent in w.agents.list()}
        assert stale["ada"] == (False, w.tasks.get("one").completed_at)
        assert stale["idle"] == (True, w.agents.get("idle").last_heartbeat)
        assert set(w.archive(86_400).archived) == {"agent-idle"}

    # -- figures

    def test_figures_by_agent_and_type(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        for number, (agent, type, seconds) in enumerate(
            [("ada", "train", 100), ("ada", "train", 300), ("ada", "docs", 50), ("bob", "docs", 10)]
        ):
            w.tasks.create("x", id=f"n{number}", type=type)
            claim = self.claim(opened(agent), f"n{number}")
            host.forward(seconds)
            claim.complete()
        w.tasks.create("x", id="hard", type="train")
        claim = self.claim(w)
        host.forward(400)
        claim.fail("no")
        rows = {(row["agent_id"], row["type"]): row for row in w.metrics.agents()}
        assert set(rows) == {
            *(("ada", type) for type in (None, "train", "docs")),
            *(("bob", type) for type in (None, "docs")),
        }
        assert rows["ada", "train"] == {
            "agent_id": "ada",
            "type": "train",
            "completed": 2,
            "failed": 1,
            "lost": 0,
            "success_rate": 0.6667,
            "avg_duration_sec": 200.0,
            "tasks_per_hour": 9.0,
        }
        assert rows["ada", None]["completed"] == 3
        assert rows["bob", None]["success_rate"] == 1.0

    def test_the_health_of_coordination(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        bob = opened("bob")
        for name in ("one", "two", "three"):
            w.tasks.create("x", id=name)
        self.claim(w, "one").complete()
        late = self.claim(w, "two")
        host.forward(OVER)
        self.claim(bob, "two").fail("no")
        with pytest.raises(Exception, match="not yours"):
            late.complete()
        with pytest.raises(Exception, match="chang"):
            w.tasks.update("three", {"title": "y"}, expect="an old version")
        derived = w.metrics.coordination()["from_documents"]
        assert (derived["claims_won"], derived["completed"], derived["failed"], derived["recovered"]) == (
            3,
            1,
            1,
            1,
        )
        assert derived["refused_files"] == 0
        counted = bob.metrics.coordination()["counted"]
        assert counted["claims_lost"] == 0
        w._env.tally.flush()
        counted = bob.metrics.coordination()["counted"]
        assert (counted["claims_lost"], counted["conflicts"]) == (1, 1)

    def test_waiting_for_a_lock_is_counted(self, w: Workspace, backend: Backend) -> None:
        w.tasks.create("x", id="one")
        with being_written(backend, Key("task", "one")), pytest.raises(Busy):
            backend.write(Key("task", "one"), Change(set={("x",): 1}), wait=0.01)
        assert w.metrics.coordination()["counted"]["lock_waits"] == 1
        w.close()
        assert w.metrics.coordination()["counted"]["lock_waits"] == 1

    def test_numbers_of_all_processes_are_added_up(self, w: Workspace, opened: Open) -> None:
        def count(number: int) -> None:
            mine = opened(f"agent-{number}")
            mine._env.tally.add("races_lost", number + 1)
            mine._env.tally.flush()

        in_threads(4, count)
        assert w.metrics.coordination()["counted"]["races_lost"] == 1 + 2 + 3 + 4

    def test_what_is_worked_out_is_not_recorded(self, w: Workspace) -> None:
        for name in ("agents", "coordination"):
            with pytest.raises(UsageError):
                w.metrics.record(name, x=1)
