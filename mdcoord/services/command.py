"""Running a command for a task: what it is told, what is heard of it, and how it ends.

It gets the task as one JSON object on stdin (what `mdcoord task claim --json` prints), and in its environment
`MDCOORD_ROOT`, `MDCOORD_TASK_ID`, `MDCOORD_TOKEN`, `MDCOORD_ATTEMPT`, `MDCOORD_AGENT` and `MDCOORD_SESSION`:
every `mdcoord task …` that it runs acts for this claim. What it prints on stdout may be reports (see
`formats.reports`), everything else is passed on.

Exit code 0 completes the task, with the last `::result`, or else with the last line of stdout if that is a
JSON object. 75 (EX_TEMPFAIL of sysexits.h) gives the task back, and so does any other code but 0 after a
`::lacks`. Everything else fails it, with the last lines.

It leads a session of its own, with no terminal, and what it started ends with it when it is made to end: by
SIGTERM, and SIGKILL a little later. If the worker itself is killed, so are they (see `lifeline`).
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from tempfile import TemporaryFile
from typing import IO, Any, Final

from mdcoord.errors import UsageError
from mdcoord.formats.typed import strict_json
from mdcoord.model import Value
from mdcoord.services.claim import Claim
from mdcoord.services.desk import Desk
from mdcoord.services.lifeline import Lifeline
from mdcoord.services.narrator import Narrator, Note
from mdcoord.services.work import Effort, Failed, GiveBack

TEMPFAIL: Final = 75
"""The exit code that gives a task back."""

TICK: Final = 0.1
"""Seconds between two looks at a command that says nothing."""

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line; a longer one is passed on in pieces and is no report."""

TAIL: Final = 20
"""How many of the last lines are kept for the text of an error."""

_TAIL_WIDTH: Final = 300
"""Characters of each of these lines."""

_UNDYING: Final = 1.0
"""Seconds after SIGKILL for which a group is awaited whose dead nobody collects."""

_LINGERING: Final = 1.0
"""Seconds for which those are listened to whom a command left behind."""

Output = Callable[[Claim, str, str], None]
"""Is given each line of a command's own output: its claim, `stdout` or `stderr`, the line."""

Feed = Callable[[Claim], str]
"""What a command is told on stdin."""


class Command:
    """Runs a command line for every task.

    `feed` makes what it reads on stdin (None: the task as JSON), `output` is given what it prints, `note`
    what goes wrong with its reports. Raises UsageError when there is no such program.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        feed: Feed | None = None,
        output: Output | None = None,
        note: Note | None = None,
    ) -> None:
        self.arguments = [*arguments]
        self.feed = feed or as_json
        self.output = output or _ignore
        self.note = note or _ignore
        self.lifeline = Lifeline()
        self._check()

    def begin(self, claim: Claim, desk: Desk) -> Effort:
        """The run for this claim."""
        return _Run(self, claim, desk)

    def close(self) -> None:
        """End the guard of the commands."""
        self.lifeline.close()

    def _check(self) -> None:
        # Before any task is claimed: a mistyped command must not use up the attempts of all tasks.
        from shutil import which

        program = self.arguments[0] if self.arguments else ""
        if not program or which(program) is None:
            raise UsageError(
                f"there is no program {program!r} that could be run" if program else "there is no command",
                hint="give its path, or say where it is in PATH"
                if program
                else "say which command does the work: -- COMMAND [ARGUMENTS]",
            )


class _Run:
    """One command for one claim."""

    def __init__(self, command: Command, claim: Claim, desk: Desk) -> None:
        self._command = command
        self._claim = claim
        self._root = desk.root
        self._narrator = Narrator(claim, desk, command.note)
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._signal: signal.Signals | None = None
        self._over = False

    def run(self) -> Value:
        feed = self._command.feed(self._claim).encode("utf-8", "replace")
        try:
            # A file, not a pipe: a command that does not read what it is told must not stop us.
            with TemporaryFile() as told:
                told.write(feed)
                told.seek(0)
                process = self._start(told)
        except OSError as error:
            # That is no fault of the task's, and must not use up its attempts.
            raise GiveBack(f"{self._command.arguments[0]} cannot be started: {error}") from error
        try:
            self._listen(process)
            code = self._end(process)
        except BaseException:
            self.interrupt(hard=True)
            self._end(process)
            raise
        self._narrator.flush()
        return self._verdict(code)

    def interrupt(self, *, hard: bool) -> bool:
        with self._lock:
            self._signal = signal.SIGKILL if hard else signal.SIGTERM
            if self._process is not None and not self._over:
                _signal_group(self._process.pid, self._signal)
        return True

    def _start(self, told: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._signal is not None:
                raise GiveBack("it was ended before it began")
            self._command.lifeline.ready()
            self._process = process = subprocess.Popen(
                self._command.arguments,
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **_told(self._claim, self._root)},
                start_new_session=True,
            )
            self._command.lifeline.add(process.pid)
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Read what it says until it has nothing more to say, or has ended and left others behind."""
        assert process.stdout is not None
        assert process.stderr is not None
        ended = 0.0
        ears: dict[Any, _Lines] = {process.stdout: _Lines(self._heard), process.stderr: _Lines(self._passed)}
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            for stream in ears:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(TICK)
                for key, _ in ready:
                    data = os.read(key.fd, 1 << 16)
                    ears[key.fileobj].add(data)
                    if not data:
                        selector.unregister(key.fileobj)
                self._narrator.tick()
                if process.poll() is not None:
                    # What it left behind may hold its pipes for ever, and may have much to say.
                    ended = ended or time.monotonic()
                    if not ready or time.monotonic() - ended > _LINGERING:
                        break
        for lines in ears.values():
            lines.add(b"")

    def _heard(self, line: str) -> None:
        if not self._narrator.tell(line):
            self._keep(line, "stdout")

    def _passed(self, line: str) -> None:
        self._keep(line, "stderr")

    def _keep(self, line: str, stream: str) -> None:
        shown = line.rpartition("\r")[2]  # a progress bar writes over its own line
        self._tail.append(shown if len(shown) <= _TAIL_WIDTH else shown[:_TAIL_WIDTH] + "…")
        self._command.output(self._claim, stream, line)

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for it, and when it was made to end for everything that it started."""
        code = process.wait()
        killed = None
        while self._signal is not None and _group_lives(process.pid):
            if self._signal == signal.SIGKILL:
                killed = killed or time.monotonic()
                if time.monotonic() - killed > _UNDYING:
                    break  # nobody collects those that are dead
            time.sleep(TICK / 4)
        with self._lock:
            self._over = True
            self._command.lifeline.remove(process.pid)
        return code

    def _verdict(self, code: int) -> Value:
        narrator = self._narrator
        if code == TEMPFAIL or (code != 0 and narrator.lacks):
            raise GiveBack(": ".join([_how(code), *[*self._tail][-1:]]), lacks=narrator.lacks)
        if code != 0:
            raise Failed(self._failure(code))
        if narrator.result is not None:
            return narrator.result.value
        return _object_in(narrator.last)

    def _failure(self, code: int) -> str:
        last = "\n".join(line.rstrip() for line in self._tail).strip("\n")
        return f"{_how(code)}\n{last}".rstrip("\n")


class _Lines:
    """Bytes as they come, lines as they are whole."""

    def __init__(self, give: Callable[[str], None]) -> None:
        self._give = give
        self._rest = bytearray()

    def add(self, data: bytes) -> None:
        """Take more bytes; none at all say that no more come."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n") if b"\n" in data else (self._rest,)
        if rest and (not data or len(rest) > LONGEST_LINE):
            lines, rest = [*lines, rest], bytearray()
        self._rest = rest
        for line in lines:
            self._give(line.removesuffix(b"\r").decode("utf-8", "replace"))


def as_json(claim: Claim) -> str:
    """The task and its claim as one line of JSON."""
    import json

    data = {**claim.task.as_dict(), "_claim": claim.as_dict()}
    return json.dumps(data, ensure_ascii=False, default=str) + "\n"


def _told(claim: Claim, root: object) -> dict[str, str]:
    """What a command's environment says beyond the worker's own."""
    told = {
        "MDCOORD_TASK_ID": claim.id,
        "MDCOORD_TOKEN": claim.token,
        "MDCOORD_ATTEMPT": str(claim.attempt),
        "MDCOORD_AGENT": claim.agent,
        "MDCOORD_SESSION": claim.session,
    }
    return told if root is None else {**told, "MDCOORD_ROOT": str(root)}


def _object_in(line: str) -> Value:
    """The JSON object that a line is, None for any other line."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        return strict_json(line)
    except ValueError:
        return None


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"ended by signal {-code}"


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _ignore(*_: Any) -> None:
    pass
