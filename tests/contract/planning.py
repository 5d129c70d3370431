"""What tasks wait for and who gets them, over every backend: circles, conflicts, strategies, keys."""

from __future__ import annotations

from typing import Any

import pytest

from mdcoord.backends.base import Backend
from mdcoord.config import Config
from mdcoord.errors import AlreadyExists, Conflict, NotFound, NothingReady, NotReady, UsageError
from mdcoord.model import Change, Key
from mdcoord.workspace import Workspace

from .claims import OVER, Open, WorkspacesBase
from .fakes import FakeHost
from .suite import in_threads


class PlanningContract(WorkspacesBase):
    """Dependencies, conflicts, assignments and idempotency of `Workspace.tasks`."""

    # -- dependencies

    def test_a_circle_is_refused_by_name(self, w: Workspace) -> None:
        w.tasks.create("c", id="c", depends_on=["b"])
        w.tasks.create("b", id="b", depends_on=["a"])
        with pytest.raises(UsageError, match=r"a → c → b → a") as caught:
            w.tasks.create("a", id="a", depends_on=["x", "c"])
        assert caught.value.details["cycle"] == ["a", "c", "b", "a"]
        with pytest.raises(NotFound):
            w.tasks.get("a")
        w.tasks.create("a", id="a")
        for change in ({"set": {"depends_on": ["task-c"]}}, {"append": {"depends_on": ["c"]}}):
            with pytest.raises(UsageError, match="would wait for itself"):
                w.tasks.update("a", **change)
        assert w.tasks.get("a").depends_on == []
        with pytest.raises(UsageError, match="self → self"):
            w.tasks.create("self", id="self", depends_on=["self"])
        w.tasks.update("b", {"depends_on": []})
        assert w.tasks.update("a", {"depends_on": ["c"]}).depends_on == ["c"]

    def test_a_circle_over_ids_in_fields_is_found(self, w: Workspace) -> None:
        w.backend.create("task", {"task_id": "task-122", "depends_on": ["train"]}, name="process-data")
        with pytest.raises(UsageError, match="train → process-data → train"):
            w.tasks.create("y", id="train", depends_on=["task-122"])
        with pytest.raises(UsageError):
            w.tasks.create("y", id="train", fields={"depends_on": ["task-122"]})

    def test_a_circle_made_by_hand_is_told(self, w: Workspace, backend: Backend) -> None:
        w.tasks.create("a", id="a", depends_on=["b"])
        w.tasks.create("b", id="b")
        text = w.tasks.text("b").replace("status: pending", "status: pending\ndepends_on: [a]")
        self.save_by_hand(backend, Key("task", "b"), text)
        assert w.tasks.why("a") == [
            "it depends on task b, which is pending",
            "it waits for itself: a → b → a",
        ]
        with pytest.raises(NothingReady):
            self.claim(w)

    @pytest.mark.parametrize("status", ["dead", "cancelled", "failed"])
    def test_a_failed_dependency_blocks_and_says_so(self, w: Workspace, status: str) -> None:
        w.tasks.create("a", id="a", retry_limit=1)
        w.tasks.create("b", id="b", depends_on=["a"])
        w.tasks.create("c", id="c", depends_on=["b", "gone"])
        w.tasks.update("a", {"status": status})
        assert w.tasks.why("b") == [f"it is blocked: it depends on task a, which is {status}"]
        assert w.tasks.why("c") == [
            "it depends on task b, which is pending",
            "it depends on task gone, which does not exist",
            f"further back, task a is {status}",
        ]
        assert w.status()["waiting"][0] == {"task_id": "b", "reasons": list(w.tasks.why("b"))}
        w.tasks.retry("a")
        self.claim(w, "a").complete()
        assert w.tasks.why("b") == []

    def test_the_graph(self, w: Workspace) -> None:
        w.backend.create("task", {"title": "Data", "status": "pending", "task_id": "task-122"}, name="data")
        w.tasks.create("Train", id="train", depends_on=["task-122", "gone"], conflicts_with=["docs"])
        w.tasks.create("Docs", id="docs")
        found = w.tasks.graph()
        assert [node.as_dict() for node in found.values()] == [
            {
                "task_id": name,
                "title": title,
                "status": status,
                "depends_on": needed,
                "conflicts_with": rivals,
            }
            for name, title, status, needed, rivals in (
                ("data", "Data", "pending", [], []),
                ("docs", "Docs", "pending", [], []),
                ("train", "Train", "pending", ["data", "gone"], ["docs"]),
                ("gone", "", "missing", [], []),
            )
        ]
        assert set(w.tasks.graph("task-122")) == {"data", "train"}
        assert set(w.tasks.graph("docs")) == {"docs"}
        with pytest.raises(NotFound):
            w.tasks.graph("gone")

    # -- conflicts

    def test_two_in_conflict_never_run_at_once(self, w: Workspace, opened: Open) -> None:
        """Whoever lists it, both sides keep to it."""
        w.tasks.create("x", id="migrate", conflicts_with=["backup"])
        w.tasks.create("x", id="backup")
        bob = opened("bob")
        claim = self.claim(w, "migrate")
        assert w.tasks.why("backup") == ["it conflicts with task migrate, which is in progress"]
        assert not w.tasks.get("backup").ready
        assert [task.id for task in w.tasks.list("_ready = true")] == []
        with pytest.raises(NotReady, match="it conflicts with task migrate"):
            self.claim(bob, "backup")
        with pytest.raises(NothingReady):
            self.claim(bob)
        claim.release()
        other = self.claim(bob, "backup")
        assert w.tasks.why("migrate") == ["it conflicts with task backup, which is in progress"]
        with pytest.raises(NotReady, match="it conflicts with task backup"):
            self.claim(w, "migrate")
        other.complete()
        assert self.claim(w).id == "migrate"

    def test_a_conflict_ends_with_the_claim(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="migrate", conflicts_with=["backup", "not-there"])
        w.tasks.create("x", id="backup")
        self.claim(w, "migrate")
        host.forward(OVER)
        assert self.claim(opened("bob"), "backup").attempt == 1
        with pytest.raises(NotReady, match="it conflicts with task backup"):
            self.claim(w, "migrate")

    def test_the_listing_passes_conflicts_over(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", priority=9, conflicts_with=["two"])
        w.tasks.create("x", id="two", priority=8)
        w.tasks.create("x", id="three", priority=7, conflicts_with=["two"])
        assert [self.claim(w).id, self.claim(w).id] == ["one", "three"]
        with pytest.raises(NothingReady):
            self.claim(w)

    def test_who_lists_itself_is_in_nobodys_way(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", conflicts_with=["one"])
        assert self.claim(w).id == "one"

    def test_an_announcement_that_led_to_nothing_is_over_soon(
        self, w: Workspace, host: FakeHost, backend: Backend
    ) -> None:
        """A claimer that was killed between its bars and its claim."""
        from mdcoord.rules.conflicts import barred

        w.tasks.create("x", id="migrate", conflicts_with=["backup"])
        w.tasks.create("x", id="backup", conflicts_with=["migrate"])
        for name in ("backup", "migrate"):
            key = Key("task", name)
            backend.write(key, lambda found: Change(lease=barred(found.lease, "migrate", 1, "gone", host)))
        with pytest.raises(NotReady, match="it conflicts with task migrate"):
            self.claim(w, "backup")
        host.forward(6)
        assert self.claim(w, "backup").attempt == 1

    def test_racing_for_conflicting_tasks(self, w: Workspace, opened: Open) -> None:
        """Claims that exclude each other in a ring, taken by many: no two neighbours ever run together."""
        size, problems = 5, []
        for number in range(size):
            w.tasks.create("x", id=f"n{number}", conflicts_with=[f"n{(number + 1) % size}"])

        def work(number: int) -> None:
            mine = opened(f"agent-{number}")
            for turn in range(6):
                name = f"n{(number + turn) % size}"
                try:
                    claim = self.claim(mine, name)
                except NotReady:
                    continue
                position = int(name[1:])
                for other in ((position + 1) % size, (position - 1) % size):
                    if mine.tasks.get(f"n{other}").status == "in_progress":
                        problems.append((name, other))
                claim.release()

        in_threads(5, work)
        assert problems == []
        assert {task.status for task in w.tasks.list()} == {"pending"}

    # -- capabilities and preferences

    def test_after_a_while_any_agent_will_do(self, host: FakeHost, opened: Open) -> None:
        w = opened(config=Config(fallback_after=600.0))
        w.agents.register("ada", can=["docs"])
        w.tasks.create("x", id="special", needs=["gpu"], priority=9)
        w.tasks.create("x", id="bobs", assign="bob", priority=9)
        with pytest.raises(NothingReady):
            self.claim(w)
        host.forward(600)
        w.tasks.create("x", id="docs", needs=["docs"])
        assert self.claim(w).id == "docs", "what it can do goes first, whatever the priority of the rest"
        assert w.tasks.why("special", agent="ada", can=["docs"]) == []
        assert {self.claim(w).id, self.claim(w).id} == {"special", "bobs"}

    def test_the_specialist_prefers_what_it_is_best_at(self, w: Workspace, opened: Open) -> None:
        w.agents.register("ada", can=["gpu", "docs"], specializations=["gpu", "review"])
        for name, rest in (
            ("old", {}),
            ("docs", {"needs": ["docs"]}),
            ("gpu", {"needs": ["gpu"]}),
            ("review", {"type": "review"}),
            ("urgent", {"priority": 5}),
        ):
            w.tasks.create("x", id=name, **rest)
        order = []
        for _ in range(5):
            claim = self.claim(w)
            order.append(claim.id)
            claim.complete()
        assert order == ["urgent", "gpu", "review", "docs", "old"] or order[:3] == ["urgent", "gpu", "review"]
        assert sorted(order[3:]) == ["docs", "old"]

    def test_experience_decides_what_an_agent_prefers(self, host: FakeHost, opened: Open) -> None:
        w = opened(config=Config(assignment_strategy="learned"))
        w.agents.register("ada")
        self.practise(
            opened, host, [("ada", "slow", 100), ("bob", "slow", 10), ("ada", "fast", 5), ("bob", "fast", 50)]
        )
        w.tasks.create("x", id="a-slow-one", type="slow")
        w.tasks.create("x", id="b-fast-one", type="fast")
        assert [self.claim(w).id, self.claim(w).id] == ["b-fast-one", "a-slow-one"]

    def practise(self, opened: Open, host: FakeHost, jobs: list[tuple[str, str, float]]) -> None:
        """Let agents complete tasks of types in so many seconds each, three times."""
        for turn in range(3):
            for number, (agent, type, seconds) in enumerate(jobs):
                mine, name = opened(agent), f"past-{turn}-{number}"
                mine.tasks.create("x", id=name, type=type)
                claim = self.claim(mine, name)
                host.forward(seconds)
                claim.complete()

    def test_who_lacks_something_is_not_asked_again(self, w: Workspace, opened: Open) -> None:
        w.tasks.create("x", id="train", needs=["training"])
        w.agents.register("ada", can=["training"])
        task = self.claim(w).release(reason="no driver", lacks=["gpu"])
        assert (task.needs, task["declined_by"]) == (["training", "gpu"], ["ada"])
        assert task.logs[-1]["message"] == "given back by ada: it lacks gpu; no driver"
        with pytest.raises(NothingReady):
            self.claim(w, can=["training", "gpu"])
        assert "gave it back" in w.tasks.why("train", agent="ada")[-1]
        assert self.claim(w, "train").release(reason="after all not").status == "pending"
        assert self.claim(opened("bob"), can=["training", "gpu"]).id == "train"

    # -- assignment

    def test_assigning_reserves(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        w.tasks.create("x", id="one")
        task = w.tasks.assign("one", "bob")
        assert (task.assigned_agent, task.assigned_at, task.status) == ("bob", host.stamp(), "pending")
        with pytest.raises(NothingReady):
            self.claim(w)
        claim = self.claim(opened("bob"))
        with pytest.raises(Conflict, match="held by bob"):
            w.tasks.assign("one", "ada")
        assert claim.release().assigned_agent == "bob"
        w.tasks.update("one", {"status": "cancelled"})
        with pytest.raises(Conflict, match="its status is cancelled"):
            w.tasks.assign("one", "ada")

    def test_only_who_can_and_is_there_comes_into_question(self, w: Workspace, host: FakeHost) -> None:
        w.tasks.create("x", id="one", needs=["gpu"])
        with pytest.raises(NothingReady, match="needs gpu"):
            w.tasks.assign("one")
        w.agents.register("gone", can=["gpu"])
        host.forward(1000)
        w.agents.register("unable", can=["docs"])
        w.agents.register("broken", can=["gpu"], circuit_breaker={"state": "OPEN"})
        w.agents.register("full", can=["gpu"], max_concurrent_tasks=0)
        with pytest.raises(NothingReady):
            w.tasks.assign("one")
        w.agents.register("eve", can=["gpu", "docs"])
        assert w.tasks.assign("one").assigned_agent == "eve"
        with pytest.raises(UsageError, match="no strategy"):
            w.tasks.assign("one", strategy="by_weather")

    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            ("skill_based", ["special", "special", "eager", "eager"]),
            ("round_robin", ["eager", "special", "eager", "special"]),
            ("load_balanced", ["eager", "special", "eager", "eager"]),
        ],
    )
    def test_strategies(self, w: Workspace, host: FakeHost, strategy: str, expected: list[str]) -> None:
        w.agents.register("eager", can=["gpu"], max_concurrent_tasks=5)
        w.agents.register("special", can=["gpu", "docs"], specializations=["gpu"], max_concurrent_tasks=2)
        for number in range(4):
            w.tasks.create("x", id=f"n{number}", needs=["gpu"])
        chosen = []
        for number in range(4):
            host.forward(1)
            chosen.append(w.tasks.assign(f"n{number}", strategy=strategy).assigned_agent)
        assert chosen == expected

    def test_the_learned_strategy(self, w: Workspace, host: FakeHost, opened: Open) -> None:
        for agent in ("ada", "bob"):
            w.agents.register(agent)
        self.practise(
            opened,
            host,
            [("ada", "train", 100), ("bob", "train", 20), ("ada", "docs", 5), ("bob", "docs", 50)],
        )
        for type, agent in (("train", "bob"), ("docs", "ada")):
            for name in ("ada", "bob"):
                w.agents.heartbeat(name)
            w.tasks.create("x", id=type, type=type)
            assert w.tasks.assign(type, strategy="learned").assigned_agent == agent

    def test_assigning_all_that_is_ready(self, w: Workspace) -> None:
        for name in ("ada", "bob"):
            w.agents.register(name, max_concurrent_tasks=2)
        w.tasks.create("x", id="later", depends_on=["n0"])
        w.tasks.create("x", id="taken", assign="eve")
        for number in range(5):
            w.tasks.create("x", id=f"n{number}", priority=number)
        assigned = w.tasks.assign_all(strategy="load_balanced")
        assert [task.id for task in assigned] == ["n4", "n3", "n2", "n1"]
        assert sorted(task.assigned_agent or "" for task in assigned) == ["ada", "ada", "bob", "bob"]
        assert w.tasks.get("taken").assigned_agent == "eve"
        assert w.tasks.assign_all() == []

    def test_a_new_task_may_be_assigned_at_once(self, w: Workspace) -> None:
        with pytest.raises(NothingReady):
            w.tasks.create("x", id="one", assign="auto")
        with pytest.raises(NotFound):
            w.tasks.get("one")
        w.agents.register("bob", can=["gpu"])
        task = w.tasks.create("x", id="one", needs=["gpu"], assign="auto")
        assert (task.assigned_agent, task.assigned_at) == ("bob", task.created_at)

    # -- idempotent creation

    def test_the_same_key_gives_the_same_task(self, w: Workspace) -> None:
        first = w.tasks.create("Nightly", key="nightly-42", priority=3)
        again = w.tasks.create("Something else", key="nightly-42")
        assert (again.id, again.title, again.priority) == (first.id, "Nightly", 3)
        assert w.tasks.create("Nightly", key="nightly-43").id != first.id
        self.claim(w, first.id).complete()
        assert w.tasks.create("Nightly", key="nightly-42").status == "completed"
        with pytest.raises(UsageError):
            w.tasks.create("x", key=" ")

    def test_a_name_and_a_key(self, w: Workspace) -> None:
        w.tasks.create("x", id="one", key="k1")
        assert w.tasks.create("y", id="one", key="k1").title == "x"
        for name in (None, "two"):
            assert w.tasks.create("y", id=name, key="k1").id == "one"
        for rest in ({"key": "k2"}, {}):
            with pytest.raises(AlreadyExists):
                w.tasks.create("y", id="one", **rest)
        self.claim(w, "one").complete()
        w.tasks.remove("one")
        assert w.tasks.create("y", id="two", key="k1").id == "two"
        assert w.tasks.create("z", key="k1").title == "y"

    def test_the_first_task_with_a_key_has_no_name_of_its_own(self, w: Workspace) -> None:
        first = w.tasks.create("x", key="k1")
        assert w.tasks.create("y", id="one", key="k1").id == first.id

    def test_racing_for_a_key(self, w: Workspace, opened: Open) -> None:
        made: list[Any] = []
        in_threads(6, lambda number: made.append(opened(f"a{number}").tasks.create(f"t{number}", key="only")))
        assert len({task.id for task in made}) == len({task.title for task in made}) == 1
        assert len(w.tasks.list()) == 1
