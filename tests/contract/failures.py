"""What happens to tasks whose attempts fail or last too long, over every backend."""

from __future__ import annotations

import pytest

from mdcoord.backends.base import Backend
from mdcoord.config import Config
from mdcoord.errors import ClaimLost, NothingReady, NotReady, UsageError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

from .claims import OVER, PAUSED, TTL, Open, WorkspacesBase
from .fakes import FakeHost


class FailuresContract(WorkspacesBase):
    """Timeouts, pauses between attempts, dead letters."""

    # -- pauses

    def test_the_pause_grows_with_each_failure(self, host: FakeHost, opened: Open) -> None:
        config = Config(retry_limit=9, backoff_base=10.0, backoff_factor=3.0, backoff_cap=200.0)
        w = opened(config=config)
        w.tasks.create("x", id="one")
        host.luck = 1.0
        for pause in (10, 30, 90, 200, 200):
            self.claim(w).fail("no")
            host.forward(pause - 0.01)
            with pytest.raises(NothingReady):
                self.claim(w)
            assert "it is not to start before" in w.tasks.why("one")[0]
            host.forward(0.02)
        assert self.claim(w).attempt == 6

    def test_chance_keeps_them_apart(self, host: FakeHost, opened: Open) -> None:
        w = opened(config=Config(backoff_base=10.0))
        stamps = []
        for number, luck in enumerate((0.0, 0.5, 0.999)):
            host.luck = luck
            w.tasks.create("x", id=f"n{number}")
            stamps.append(self.claim(w, f"n{number}").fail("no").not_before)
        assert stamps == [f"2026-02-02T02:40:{seconds}Z" for seconds in ("05.000", "07.500", "09.995")]

    def test_without_a_base_there_is_no_pause(self, opened: Open) -> None:
        w = opened(config=Config(backoff_base=0.0))
        w.tasks.create("x", id="one")
        assert self.claim(w).fail("no").not_before is None
        assert self.claim(w).attempt == 2

    def test_retry_ends_the_pause(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        self.claim(w).fail("no")
        with pytest.raises(NotReady, match="not to start before"):
            self.claim(w, "one")
        task = w.tasks.retry("one", op="op-1")
        assert (task.not_before, task.attempt, task.get("excused")) == (None, 1, None)
        assert w.tasks.retry("one", op="op-1").version == task.version
        assert self.claim(w).attempt == 2

    def test_only_failures_pause(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="one")
        self.claim(w).release()
        self.claim(w)
        host.forward(OVER)
        assert self.claim(opened("bob")).attempt == 3

    def test_the_last_failure_does_not_pause(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", retry_limit=1)
        assert self.claim(w).fail("no").not_before is None
        w.tasks.retry("one")
        assert self.claim(w).attempt == 2

    # -- dead letters

    def test_dead_letters_are_listed_and_retried(self, w: Workspace) -> None:
        for name in ("one", "two", "fine"):
            w.tasks.create("x", id=name, retry_limit=1)
        for name in ("one", "two"):
            self.claim(w, name).fail("no")
        assert [task.id for task in w.tasks.dead()] == w.status()["dead"] == ["one", "two"]
        for task in w.tasks.dead():
            assert w.tasks.retry(task.id).status == "pending"
        assert w.tasks.dead() == []

    # -- what the log tells

    def test_the_log_tells_how_attempts_ended(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="one", retry_limit=5)
        claim = self.claim(w)
        host.forward(12.5)
        claim.fail("no")
        host.forward(PAUSED)
        self.claim(w)
        host.forward(OVER)
        claim = self.claim(opened("bob"))
        host.forward(3)
        claim.complete()
        w.tasks.retry("one")
        facts = [(line["outcome"], line["agent"], line["duration_sec"]) for line in w.tasks.get("one").logs]
        assert facts == [("failed", "ada", 12.5), ("lost", "ada", round(OVER, 3)), ("completed", "bob", 3.0)]
        figures = {row["agent_id"]: row for row in w.metrics.agents()}
        assert (figures["ada"]["failed"], figures["ada"]["lost"], figures["bob"]["completed"]) == (1, 1, 1)

    def test_the_event_of_a_failure_names_its_agent(self, w: Workspace) -> None:
        w.tasks.create("x", id="one")
        token = self.claim(w).token
        w.tasks.fail("one", "no", token=token, agent=None, session=None)
        (event,) = w.events.tail("tasks")
        assert (event["agent"], event["error"], event["attempt"]) == ("ada", "no", 1)

    # -- time limits

    @pytest.mark.parametrize("limit", [600, "10m"])
    def test_who_takes_too_long_loses_the_task(
        self, w: Workspace, host: FakeHost, opened: Open, limit: float | str
    ) -> None:
        w.tasks.create("x", id="one", timeout=limit)
        assert w.tasks.get("one")["timeout"] == 600
        claim = self.claim(w)
        for _ in range(5):
            host.forward(120)
            claim.heartbeat()
            with pytest.raises(NothingReady):
                self.claim(opened("bob"))
        host.forward(1)
        claim.heartbeat()
        taken = self.claim(opened("bob"))
        assert taken.attempt == 2
        assert taken.task.logs[0]["message"].endswith("it ran longer than its timeout of 600 s")
        with pytest.raises(ClaimLost):
            claim.heartbeat()

    def test_recovery_looks_at_timeouts_and_counts_them_as_failures(
        self, w: Workspace, host: FakeHost
    ) -> None:
        w.agents.register()
        w.tasks.create("x", id="one", timeout=600, retry_limit=2)
        for status in ("pending", "dead"):
            self.claim(w)
            host.forward(601)
            (found,) = w.recover()
            assert (found.reason, found.status) == ("it ran longer than its timeout of 600 s", status)
        assert w.agents.get().circuit_breaker["failure_count"] == 2

    def test_the_configured_timeout(self, host: FakeHost, opened: Open) -> None:
        w = opened(config=Config(task_timeout=100.0))
        w.tasks.create("x", id="one")
        w.tasks.create("x", id="longer", timeout=200)
        self.claim(w), self.claim(w)
        host.forward(101)
        assert [found.id for found in w.recover()] == ["one"]

    def test_a_timeout_on_another_machine_goes_by_the_wall_clock(self, w: Workspace, opened: Open) -> None:
        assert isinstance(w.host, FakeHost)
        far = opened("bob", host=FakeHost("there", "boot-9", now=w.host.now()))
        w.tasks.create("x", id="one", timeout=100)
        claim = self.claim(far)
        for _ in range(2):
            w.host.forward(80)
            claim.heartbeat()
            assert w.recover() == []
        w.host.forward(1)
        assert [found.reason for found in w.recover()] == ["it ran longer than its timeout of 100 s"]

    def test_a_task_has_its_own_ttl(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="one", ttl="1m")
        w.backend.create("task", {"title": "x", "ttl": "no duration"}, name="two")
        assert self.claim(w, "one").ttl == 60
        assert self.claim(w, "two").ttl == TTL
        host.forward(67)
        assert self.claim(opened("bob"), "one", ttl=30).ttl == 30

    @pytest.mark.parametrize("rest", [{"ttl": 0}, {"ttl": "8d"}, {"timeout": -1}, {"timeout": "soon"}])
    def test_limits_that_are_none(self, w: Workspace, rest: dict[str, float | str]) -> None:
        with pytest.raises(UsageError):
            w.tasks.create("x", **rest)  # type: ignore[arg-type]

    def test_a_lease_without_its_beginning_is_timed_by_the_wall_clock(
        self, w: Workspace, backend: Backend, host: FakeHost
    ) -> None:
        """A claim that was renewed on another boot."""

        w.tasks.create("x", id="one", timeout=100, ttl="1d")
        self.claim(w)
        key = Key("task", "one")
        lease = backend.lease(key)
        backend.write(key, Change(lease=lease._replace(holder=lease.holder._replace(began=None))))
        host.forward(101)
        assert w.recover() == []
        host.forward(60)
        assert len(w.recover()) == 1
