"""The rules of claims on values alone."""

from __future__ import annotations

import json

import pytest
from contract.fakes import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from mdcoord.errors import ClaimLost
from mdcoord.host import timestamp
from mdcoord.rules.leases import (
    GRACE,
    MAX_SKEW,
    REMEMBERED_OPS,
    Bar,
    Claimant,
    Lease,
    carried,
    drop,
    held,
    over,
    overdue,
    renew,
    take,
    watch,
)

ADA = Claimant("ada", "s1")
TTL = 100.0


def taken(
    host: FakeHost, who: Claimant = ADA, lease: Lease | None = None, floor: int = 0, ttl: float = TTL
) -> Lease:
    return take(lease, who, floor=floor, ttl=ttl, host=host)


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def test_a_claim_tells_who_and_until_when(host: FakeHost) -> None:
    holder = taken(host).holder
    assert holder is not None
    assert (holder.agent, holder.session, holder.ttl, holder.beat) == ("ada", "s1", TTL, 0)
    assert holder.acquired_at == holder.renewed_at == host.stamp()
    assert holder.expires_at == timestamp(host.now() + TTL)
    assert holder.pid is None


@pytest.mark.parametrize(
    ("mark", "floor", "expected"), [(None, 0, 1), (3, 0, 4), (3, 7, 8), (None, 7, 8), (7, 3, 8)]
)
def test_the_attempt_is_above_everything_known(
    host: FakeHost, mark: int | None, floor: int, expected: int
) -> None:
    lease = taken(host, lease=None if mark is None else Lease(mark), floor=floor)
    assert lease.attempt == expected
    assert lease.holder is not None
    assert lease.holder.token.startswith(f"{expected}-")


def test_tokens_are_never_equal(host: FakeHost) -> None:
    tokens = {lease.holder.token for lease in (taken(host) for _ in range(50)) if lease.holder}
    assert len(tokens) == 50


def test_only_the_holder_holds(host: FakeHost) -> None:
    lease = taken(host)
    assert lease.holder is not None
    assert held(lease, ADA, "task-x") is lease
    assert held(lease, Claimant("", "", lease.holder.token), "task-x") is lease
    for who in (Claimant("ada", "s2"), Claimant("bob", "s1"), Claimant("ada", "s1", token="1-other")):
        with pytest.raises(ClaimLost) as caught:
            held(lease, who, "task-x")
        assert "task-x" in caught.value.message
        assert "ada (session s1)" in caught.value.message
        assert caught.value.details["attempt"] == 1


@pytest.mark.parametrize("lease", [None, Lease(4)])
def test_nobody_holds_nothing(lease: Lease | None) -> None:
    with pytest.raises(ClaimLost, match="held by nobody"):
        held(lease, ADA, "task-x")


def test_renewing_moves_the_end(host: FakeHost) -> None:
    lease = taken(host)._replace(seen={"elsewhere": ("x", 0, 1.0)})
    host.forward(30)
    holder = renew(lease, host).holder
    assert holder is not None
    assert lease.holder is not None
    assert (holder.beat, holder.token, holder.acquired_at) == (
        1,
        lease.holder.token,
        lease.holder.acquired_at,
    )
    assert holder.expires_at == timestamp(host.now() + TTL)
    assert renew(lease, host).seen == {}
    with pytest.raises(ValueError, match="nothing to renew"):
        renew(Lease(1), host)


def test_dropping_keeps_the_number(host: FakeHost) -> None:
    lease = drop(taken(host, floor=4), "op")
    assert (lease.attempt, lease.holder, lease.ops) == (5, None, ("op",))


def test_the_last_operations_are_remembered() -> None:
    lease = Lease()
    for number in range(REMEMBERED_OPS + 5):
        lease = lease.after(str(number))
    assert len(lease.ops) == REMEMBERED_OPS
    assert lease.did(str(REMEMBERED_OPS + 4))
    assert not lease.did("4")
    assert not lease.did(None)
    assert lease.after(None) is lease


# -- when it is over


def test_a_free_lease_is_not_over(host: FakeHost) -> None:
    assert over(None, host) is None
    assert over(Lease(3), host) is None


def test_on_one_boot_the_clock_since_boot_decides(host: FakeHost) -> None:
    lease = taken(host)
    host.forward(TTL * (1 + GRACE))
    assert over(lease, host) is None
    host.forward(0.01)
    assert over(lease, host) == "it expired"


def test_a_grace_of_ones_own(host: FakeHost) -> None:
    lease = taken(host)
    host.forward(TTL + 5)
    assert over(lease, host) is None
    assert over(lease, host, 10) is None
    assert over(lease, host, 4) == "it expired"
    assert over(lease, host, 0) == "it expired"


@pytest.mark.parametrize("jump", [-86_400.0, -1.0, 1.0, 86_400.0])
def test_on_one_boot_the_wall_clock_does_not_matter(host: FakeHost, jump: float) -> None:
    lease = taken(host)
    host.jump(jump)
    assert over(lease, host) is None
    host.forward(TTL * 1.2)
    host.jump(-2 * jump)
    assert over(lease, host) == "it expired"


def test_the_end_of_the_process_is_the_end(host: FakeHost) -> None:
    host.living = {7: "start"}
    lease = taken(host, Claimant("ada", "s1", pid=7))
    assert over(lease, host) is None
    host.living = {7: "later start"}
    assert over(lease, host) == "its process is gone"
    host.living = {}
    assert over(lease, host) == "its process is gone"


def test_a_process_that_lives_may_still_be_late(host: FakeHost) -> None:
    host.living = {7: "start"}
    lease = taken(host, Claimant("ada", "s1", pid=7))
    host.forward(TTL * 1.2)
    assert over(lease, host) == "it expired"


def test_the_process_numbers_of_another_container_mean_nothing(host: FakeHost) -> None:
    inside = FakeHost("here", "boot-1")
    inside.processes = "boot-1/other-pids"
    inside.living = {7: "start"}
    lease = taken(inside, Claimant("ada", "s1", pid=7))
    assert over(lease, host) is None


def test_another_boot_of_this_machine_ends_processes(host: FakeHost) -> None:
    host.living = {7: "start"}
    before = taken(host, Claimant("ada", "s1", pid=7))
    rebooted = FakeHost("here", "boot-2")
    rebooted.living = {7: "start"}
    assert over(before, rebooted) == "its machine was started again"
    assert over(taken(host), rebooted) is None, "without a process the time counts"


def test_a_clock_that_is_not_the_machines_own_is_no_other_boot(host: FakeHost) -> None:
    """As when a workspace has moved to a server, by whose clock claims go from then on."""
    host.living = {7: "start"}
    before = taken(host, Claimant("ada", "s1", pid=7))
    server = FakeHost("here", "a server")
    server.processes, server.living = host.processes, host.living
    assert over(before, server) is None
    server.living = {}
    assert over(before, server) == "its process is gone"


def test_another_machine_is_watched(host: FakeHost) -> None:
    far = FakeHost("there", "boot-9", now=host.now() + 86_400)
    lease = taken(far)
    host.forward(TTL * 5)
    assert over(lease, host) is None, "unchanged for how long, nobody here knows"
    noted = watch(lease, host)
    assert noted is not None
    assert watch(noted, host) is None
    host.forward(TTL * 1.05)
    assert over(noted, host) is None
    host.forward(TTL * 0.06)
    assert over(noted, host) == "no sign of life for its time to live"


def test_a_sign_of_life_restarts_the_watch(host: FakeHost) -> None:
    far = FakeHost("there", "boot-9", now=host.now() + 86_400)
    noted = watch(taken(far), host)
    assert noted is not None
    host.forward(TTL)
    alive = renew(noted, far)
    host.forward(TTL)
    assert over(alive, host) is None
    assert watch(alive, host) is not None


def test_ones_own_boot_is_not_watched(host: FakeHost) -> None:
    assert watch(taken(host), host) is None
    assert watch(Lease(2), host) is None


def test_the_wall_clock_only_long_after_the_end(host: FakeHost) -> None:
    far = FakeHost("there", "boot-9", now=host.now())
    lease = taken(far)
    host.forward(TTL + MAX_SKEW - 1)
    assert over(lease, host) is None
    host.forward(2)
    assert over(lease, host) == "it expired"


def test_never_by_a_stamp_in_the_future(host: FakeHost) -> None:
    far = FakeHost("there", "boot-9", now=host.now() + 10)
    lease = taken(far, ttl=0.001)
    assert lease.holder is not None
    stamped = lease._replace(holder=lease.holder._replace(expires_at=timestamp(0)))
    assert over(stamped, host) is None


@settings(max_examples=200)
@given(
    waits=st.lists(st.floats(0, TTL * (1 + GRACE) - 0.5), max_size=8),
    skews=st.lists(st.floats(1 - MAX_SKEW, 1e6), min_size=8, max_size=8),
)
def test_who_renews_in_time_is_never_robbed(waits: list[float], skews: list[float]) -> None:
    """However its wall clock jumps: ahead without limits, behind by what two machines may differ."""
    host, watcher = FakeHost(), FakeHost("there", "boot-9")
    lease = taken(host)
    for wait, skew in zip(waits, skews, strict=False):
        lease = watch(lease, watcher) or lease
        for machine in (host, watcher):
            machine.forward(wait)
        host.jump(watcher.now() + skew - host.now())
        assert over(lease, host) is None
        lease = renew(lease, host)
        assert over(lease, watcher) is None


# -- at rest


def test_a_lease_survives_json(host: FakeHost) -> None:
    host.living = {7: "start"}
    lease = taken(host, Claimant("ada", "s1", pid=7))._replace(ops=("a",), seen={"b": ("t", 2, 1.5)})
    for value in (lease, drop(lease), Lease()):
        assert Lease.from_dict(json.loads(json.dumps(value.as_dict()))) == value


@pytest.mark.parametrize(
    "data", [{}, {"attempt": None}, {"attempt": 1, "holder": {"agent": "x"}}, {"attempt": 1, "holder": 3}]
)
def test_what_is_no_lease(data: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        Lease.from_dict(data)


def test_a_lease_that_is_carried_to_another_clock_has_as_much_time_left() -> None:
    here, there = FakeHost("here", "boot-1"), FakeHost("there", "server")
    there.forward(12345)
    lease = take(None, Claimant("ada", "s"), floor=0, ttl=60, host=here)
    here.forward(40)
    there.forward(40)
    moved = carried(lease, here, there)
    assert (moved.attempt, moved.holder.token, moved.holder.boot) == (1, lease.holder.token, "server")
    for seconds, ended in ((25.9, None), (0.2, "it expired")):
        here.forward(seconds)
        there.forward(seconds)
        assert over(lease, here) == over(moved, there) == ended
    assert overdue(moved, there, 66.0) is not None
    assert overdue(moved, there, 67.0) is None
    assert carried(carried(lease, here, there), there, here) == lease


def test_a_lease_of_a_third_clock_stays_but_goes_on_being_watched() -> None:
    far, here, there = FakeHost("far", "boot-9"), FakeHost("here", "boot-1"), FakeHost("there", "server")
    there.forward(777)
    there.jump(-777)
    lease = watch(take(None, Claimant("ada", "s"), floor=0, ttl=60, host=far), here)
    moved = carried(lease, here, there)
    assert moved.holder == lease.holder
    for seconds, ended in ((65.9, None), (0.2, "no sign of life for its time to live")):
        there.forward(seconds)
        assert over(moved, there) == ended


def test_bars_are_carried_along() -> None:
    here, there = FakeHost("here", "boot-1"), FakeHost("there", "server")
    there.forward(777)
    lease = Lease(bars={"x": Bar(1, "boot-1", here.uptime(), here.now()), "y": Bar(1, "boot-9", 5.0, 6.0)})
    bars = carried(lease, here, there).bars
    assert bars["x"] == Bar(1, "server", there.uptime(), here.now())
    assert bars["y"] == lease.bars["y"]
