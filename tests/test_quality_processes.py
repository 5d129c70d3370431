"""Programs that are run with limits: what they print, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest

from mdcoord.errors import UsageError
from mdcoord.services import processes
from mdcoord.services.processes import KEPT, Ended, complete, run

LONG = 60.0
LATER = "300"
"""Seconds that a program sleeps which is to be killed: longer than a test may take."""


def shell(script: str, timeout: float = LONG) -> Ended:
    return complete(lambda: run(["sh", "-c", script], "/", os.environ, timeout))


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[Callable[..., bool]]:
    """Whether the process whose id is in the file `pid` of the test's folder is gone."""

    def lives() -> bool:
        pid = int((tmp_path / "pid").read_text())
        try:
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat").read_text() if Path("/proc/self/stat").exists() else ") R"
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    def check(patience: float = 10.0) -> bool:
        """Killed processes take a moment to go."""
        end = time.monotonic() + patience
        while lives() and time.monotonic() < end:
            time.sleep(0.01)
        return not lives()

    yield check
    if (tmp_path / "pid").exists() and lives():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_it_prints_and_how_it_ends() -> None:
    ended = shell("echo out; echo err >&2; exit 3")
    assert (ended.exit_code, ended.output, ended.problem) == (3, "out\nerr\n", "")
    assert shell("kill -9 $$").exit_code == -9


def test_it_has_nothing_to_read_and_no_colours() -> None:
    assert shell("cat; printf '\\033[31mred\\033[0m \\033]8;;x\\033\\\\link\\r\\n'").output == "red link\n"


def test_output_in_another_encoding() -> None:
    assert shell("printf 'a\\377b'").output == "a�b"


def test_much_output_is_cut_in_the_middle() -> None:
    output = shell(
        "echo first; i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i + 1)); done; echo last"
    ).output
    assert KEPT * 9 // 10 < len(output.encode()) < KEPT + 100
    assert output.startswith("first\n0\n1\n")
    assert output.endswith("39999\nlast\n")
    assert " bytes left out …\n" in output


@pytest.mark.parametrize("arguments", [["/nowhere/program"], ["/"], ["sh", "\0"]])
def test_what_cannot_be_started(arguments: list[str]) -> None:
    ended = complete(lambda: run(arguments, "/", os.environ, LONG))
    assert ended.exit_code is None
    assert ended.problem.startswith("it cannot be started: ")


def test_its_time_is_limited_and_its_children_go_with_it(tmp_path: Path, gone: Callable[..., bool]) -> None:
    # The time must suffice to write the file, and to print.
    ended = shell(f"echo begun; sleep {LATER} & echo $! > {tmp_path}/pid; wait", 2)
    assert (ended.exit_code, ended.output, ended.problem) == (None, "begun\n", "it was ended after 2 s")
    assert gone()


def test_who_does_not_end_when_asked_is_killed(
    tmp_path: Path, gone: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_POLITE", 0.1)
    ended = shell(f"trap '' TERM; (trap '' TERM; sleep {LATER}) & echo $! > {tmp_path}/pid; wait; wait", 1)
    assert ended.exit_code is None
    assert gone()


def test_what_it_leaves_behind_is_killed(tmp_path: Path, gone: Callable[..., bool]) -> None:
    ended = shell(f"sleep {LATER} & echo $! > {tmp_path}/pid; echo done")
    assert (ended.exit_code, ended.output) == (0, "done\n")
    assert gone()


@pytest.mark.skipif(which("setsid") is None, reason="setsid(1) is missing")
def test_what_escapes_does_not_hold_us_up(tmp_path: Path, gone: Callable[..., bool]) -> None:
    os.mkfifo(tmp_path / "begun")
    escape = f"setsid sh -c 'echo $$ > {tmp_path}/pid; echo > {tmp_path}/begun; exec sleep {LATER}'"
    ended = shell(f"{escape} & cat {tmp_path}/begun; echo done")
    assert (ended.exit_code, ended.output) == (0, "\ndone\n")
    assert not gone(0)


def test_cancelling_kills(tmp_path: Path, gone: Callable[..., bool]) -> None:
    os.mkfifo(tmp_path / "begun")

    async def cancelled() -> bool:
        script = f"echo $$ > {tmp_path}/pid; echo > {tmp_path}/begun; sleep {LATER}"
        running = asyncio.ensure_future(run(["sh", "-c", script], "/", os.environ, LONG))
        await asyncio.to_thread((tmp_path / "begun").read_bytes)
        running.cancel()
        await asyncio.wait([running])
        return running.cancelled()

    assert complete(cancelled)
    assert gone()


def test_it_does_not_hold_up_an_event_loop() -> None:
    async def inside() -> None:
        with pytest.raises(UsageError):
            complete(lambda: run(["true"], "/", os.environ, LONG))

    asyncio.run(inside())


PROGRAM = """
import os, signal, sys
from mdcoord.services.processes import complete, run

handled = []
if sys.argv[2] == "own":
    signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))
script = f"echo $$ > {sys.argv[1]}/pid; echo > {sys.argv[1]}/begun; sleep 1; exec sleep " + sys.argv[3]
ended = complete(lambda: run(["sh", "-c", script], "/", os.environ, 60))
print(ended.exit_code, handled, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""


def stopped(
    folder: Path, handler: str, seconds: str, number: signal.Signals = signal.SIGTERM
) -> tuple[int, str]:
    os.mkfifo(folder / "begun")
    program = [sys.executable, "-c", PROGRAM, str(folder), handler, seconds]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        (folder / "begun").read_bytes()
        process.send_signal(number)
        output, _ = process.communicate(timeout=LONG)
    return process.returncode, output


def test_termination_ends_the_programs_too(tmp_path: Path, gone: Callable[..., bool]) -> None:
    assert stopped(tmp_path, "default", LATER) == (-signal.SIGTERM, "")
    assert gone()


def test_ctrl_c_ends_the_programs_too(tmp_path: Path, gone: Callable[..., bool]) -> None:
    code, _ = stopped(tmp_path, "default", LATER, signal.SIGINT)
    assert code == -signal.SIGINT
    assert gone()


def test_a_handler_of_the_caller_stays(tmp_path: Path) -> None:
    assert stopped(tmp_path, "own", "0") == (0, "0 [15] False\n")
