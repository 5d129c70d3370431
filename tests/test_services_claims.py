"""Claims at the edges: what a crash leaves behind, stores that fail half-way, names that mislead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from contract.fakes import FakeHost
from contract.suite import being_written

from mdcoord.backends.memory import MemoryBackend
from mdcoord.backends.values import Event
from mdcoord.errors import Busy, ClaimLost, InvalidName, NotDurable, NothingReady, NotReady
from mdcoord.model import Change, Key
from mdcoord.rules.leases import Claimant, take
from mdcoord.workspace import Workspace

ONE = Key("task", "one")
OVER = 900 * 1.1 + 1


class Mute(MemoryBackend):
    """Publishes nothing: another process keeps the log locked."""

    def append(
        self, channel: str, name: str, data: Mapping[str, Any], *, time: str, id: str | None = None
    ) -> Event:
        raise Busy("the log is locked")


class Unsure(MemoryBackend):
    """Writes, and then cannot say whether it would survive a power cut."""

    def write(self, *args: Any, **rest: Any) -> Any:
        super().write(*args, **rest)
        raise NotDurable("the folder could not be synced")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def w(host: FakeHost) -> Iterator[Workspace]:
    with Workspace(MemoryBackend(), agent="ada", session="s1", host=host) as workspace:
        workspace.tasks.create("x", id="one")
        yield workspace


def half_claimed(w: Workspace, host: FakeHost) -> None:
    """A claimer died between the lease and the document."""
    lease = take(None, Claimant("bob", "s2"), floor=0, ttl=900, host=host)
    w.backend.write(ONE, Change(lease=lease))


def test_a_half_made_claim_holds_for_its_time(w: Workspace, host: FakeHost) -> None:
    half_claimed(w, host)
    assert w.tasks.get("one").status == "pending"
    assert w.tasks.why("one")[0].startswith("it is held by bob")
    with pytest.raises(NothingReady):
        w.tasks.claim()
    host.forward(OVER)
    assert w.tasks.claim(heartbeat=False).attempt == 2


def test_a_half_made_claim_is_recovered(w: Workspace, host: FakeHost) -> None:
    half_claimed(w, host)
    version = w.tasks.get("one").version
    host.forward(OVER)
    assert [(found.id, found.status, found.reason) for found in w.recover()] == [
        ("one", "pending", "it expired")
    ]
    assert w.tasks.get("one").version == version, "the document never knew of it"
    assert w.recover() == []
    assert w.tasks.claim(heartbeat=False).attempt == 2


def test_a_half_ended_claim_is_no_claim(w: Workspace) -> None:
    """The holder died after the document was written and before the lease was dropped."""
    claim = w.tasks.claim(heartbeat=False)
    lease = w.backend.lease(ONE)
    w.tasks.complete("one")
    w.backend.write(ONE, Change(lease=lease))
    with pytest.raises(ClaimLost):
        claim.heartbeat()
    with pytest.raises(NotReady, match="its status is completed"):
        w.tasks.claim("one")
    assert w.tasks.retry("one").status == "pending"
    assert w.tasks.claim(heartbeat=False).attempt == 2


def test_an_event_that_cannot_be_published_costs_nothing_else(host: FakeHost) -> None:
    with Workspace(Mute(), agent="ada", host=host) as w:
        w.tasks.create("x", id="one")
        assert w.tasks.claim(heartbeat=False).fail("no").status == "pending"
        host.forward(60)
        w.tasks.claim(heartbeat=False)
        host.forward(OVER)
        assert w.tasks.claim(heartbeat=False).attempt == 3
        with pytest.raises(Busy):
            w.events.publish("training", "saved")


def test_a_claim_that_is_not_confirmed_can_be_asked_for_again(host: FakeHost) -> None:
    backend = Unsure()
    with Workspace(backend, agent="ada", session="s1", host=host) as w:
        w.tasks.create("x", id="one")
        with pytest.raises(NotDurable):
            w.tasks.claim(op="op-1", heartbeat=False)
        claim = w.tasks.claim(op="op-1", heartbeat=False)
        assert (claim.id, claim.attempt) == ("one", 1)


def test_a_dependency_that_cannot_be_read(w: Workspace) -> None:
    backend = w.backend
    assert isinstance(backend, MemoryBackend)
    w.tasks.create("y", id="two", depends_on=["one"])
    backend.put_text(ONE, "---\na: 1\na: 2\n---\n")
    (reason,) = w.tasks.why("two")
    assert reason.startswith("it depends on task one, which is not readable")
    with pytest.raises(NothingReady):
        w.tasks.claim()


def test_foreign_claims_are_noted_only_when_nobody_is_writing(w: Workspace) -> None:
    far = Workspace(w.backend, agent="bob", host=FakeHost("there", "boot-9", now=FakeHost().now() + 9e4))
    far.tasks.claim(heartbeat=False)
    with being_written(w.backend, ONE), pytest.raises(NothingReady):
        w.tasks.claim()
    assert not w.backend.lease(ONE).seen
    with pytest.raises(NothingReady):
        w.tasks.claim()
    assert list(w.backend.lease(ONE).seen) == ["boot-1"]


def test_agents_whose_names_cannot_be_files(w: Workspace) -> None:
    """They are refused at the claim, as they are when they register."""
    with pytest.raises(InvalidName):
        w.tasks.claim(agent="Ada Lovelace (laptop)", heartbeat=False)


def test_the_hint_of_a_refused_claim_is_safe(w: Workspace) -> None:
    w.tasks.claim("one", heartbeat=False)
    with pytest.raises(NotReady) as caught:
        w.tasks.claim("one", agent="bob")
    assert caught.value.hint == "claim another task"
    assert caught.value.details["reasons"][0].startswith("it is held by ada (session s1) since ")
