"""The machine as a claim sees it: real clocks, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mdcoord.host import Host, seconds_of, timestamp


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (0.0019, "1970-01-01T00:00:00.001Z"),
        (1769851800.5, "2026-01-31T09:30:00.500Z"),
        (4102444799.999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text
    assert seconds_of(text) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-31T09:30:00Z", 1769851800),
        ("2026-01-31T09:30:00", 1769851800),
        ("2026-01-31T10:30:00+01:00", 1769851800),
        ("2026-01-31 09:30", 1769851800),
        ("2026-01-31", 1769817600),
    ],
)
def test_other_ways_to_write_a_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("value", ["", "yesterday", "2026-13-01", None, 1769851800, True, ["2026-01-31"]])
def test_what_is_no_time(value: object) -> None:
    assert seconds_of(value) is None


def test_the_wall_clock() -> None:
    host = Host()
    before = time.time()
    assert before <= host.now() <= time.time()
    assert abs((seconds_of(host.stamp()) or 0) - before) < 60


def test_uptime_goes_on() -> None:
    host = Host()
    first = host.uptime()
    assert 0 < first <= host.uptime()


def test_two_views_of_one_machine_are_the_same() -> None:
    one, two = Host(), Host()
    assert one.boot == two.boot != ""
    assert one.processes == two.processes
    assert one.processes.startswith(one.boot.partition("/")[0])
    assert one.name == os.uname().nodename


def test_this_process_lives() -> None:
    host, me = Host(), os.getpid()
    started = host.started(me)
    assert started == host.started(me) != ""
    assert host.alive(me, started)
    assert host.alive(me, "")


def test_another_process_of_the_same_number_is_not_this_one() -> None:
    assert not Host().alive(os.getpid(), "another start")


def test_a_process_of_another_user_lives() -> None:
    assert Host().alive(1, Host().started(1))


def test_the_end_of_a_process() -> None:
    host = Host()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    started = host.started(child.pid)
    assert host.alive(child.pid, started)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not host.alive(child.pid, started), "a zombie counts as gone"
    child.wait()
    assert not host.alive(child.pid, started)
    assert host.started(child.pid) == ""


def test_a_command_with_brackets_in_its_name(tmp_path: Path) -> None:
    """Its name stands in brackets in the middle of the line that is read."""
    command = tmp_path / "a) R 1 (b"
    command.symlink_to("/bin/sleep")
    child = subprocess.Popen([command, "60"])
    try:
        assert Host().started(child.pid).isdecimal()
        assert Host().alive(child.pid, Host().started(child.pid))
    finally:
        child.kill()
        child.wait()
