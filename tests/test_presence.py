"""Presence: the process decides where it can be seen, time everywhere else."""

from __future__ import annotations

import pytest
from contract.fakes import FakeHost

from mdcoord.rules.presence import OFFLINE, OFFLINE_AFTER, ONLINE, STALE, STALE_AFTER, Sign, presence


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.living = {41: "morning"}
    return host


@pytest.mark.parametrize(
    ("silent", "expected"),
    [
        (0, ONLINE),
        (STALE_AFTER, ONLINE),
        (STALE_AFTER + 1, STALE),
        (OFFLINE_AFTER, STALE),
        (OFFLINE_AFTER + 1, OFFLINE),
        (-30, ONLINE),
        (-100_000, STALE),
    ],
)
def test_without_a_process_time_decides(host: FakeHost, silent: float, expected: str) -> None:
    assert presence(Sign(host.now() - silent), host) == expected


def test_who_was_never_seen_is_offline(host: FakeHost) -> None:
    assert presence(None, host) == presence(Sign(), host) == OFFLINE


def test_a_process_that_is_gone_is_offline_at_once(host: FakeHost) -> None:
    sign = Sign.of(host, 41)
    assert presence(sign, host) == ONLINE
    host.living[41] = "another process of the same number"
    assert presence(sign, host) == OFFLINE


def test_a_process_that_lives_is_never_offline(host: FakeHost) -> None:
    sign = Sign.of(host, 41)
    host.forward(100_000)
    assert presence(sign, host) == STALE


def test_a_process_of_another_machine_is_not_looked_for(host: FakeHost) -> None:
    sign = Sign.of(host, 41)
    elsewhere = FakeHost("there", "boot-9", host.now())
    assert presence(sign, elsewhere) == ONLINE
    elsewhere.forward(OFFLINE_AFTER + 1)
    assert presence(sign, elsewhere) == OFFLINE


def test_a_sign_is_plain_data_and_back(host: FakeHost) -> None:
    sign = Sign.of(host, 41)
    assert sign == Sign(host.now(), 41, "morning", "boot-1/pids")
    assert Sign.from_dict(sign.as_dict()) == sign
    assert Sign.from_dict({"seen": "then", "pid": True, "started": None}) == Sign()
