"""An MCP server as a child process, spoken to over its standard input and output.

Written by hand: one server, one call at a time and three kinds of message need a hundred lines, and the
official SDK costs every command half a second of import. A message is one line of JSON (JSON-RPC 2.0).
"""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from mdcoord._version import __version__
from mdcoord.errors import BackendUnavailable

if TYPE_CHECKING:
    from subprocess import Popen

PROTOCOL: Final = "2025-03-26"
"""The version of MCP that is asked for; the server may answer with an older one, which is as good here."""

_CHUNK: Final = 1 << 18
_FAREWELL: Final = 2.0
"""Seconds that a server has to end by itself once its input is closed."""
_SHOWN: Final = 500
"""So many characters of what a server said when it died are told."""


class Died(Exception):
    """The server ended before it answered: what was asked for may be done or not."""


class Late(Exception):
    """The server did not answer in time. It is ended, so that it does not act on the question later."""


class Refused(Exception):
    """The server answered that it will not: its words."""


class ServerProcess:
    """One running server. Not safe to share between threads; useless in a forked child."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], patience: float) -> None:
        """Start a server and greet it within `patience` seconds.

        Raises BackendUnavailable for a command that cannot be started, Died, Late, Refused.
        """
        from tempfile import TemporaryFile

        self.pid = os.getpid()
        self._errors = TemporaryFile()  # noqa: SIM115  # closed when the server ends
        try:
            self._child = _start(command, environ, self._errors)
        except BaseException:
            self._errors.close()
            raise
        self._end = weakref.finalize(self, _stop, self._child, self._errors, self.pid)
        self._number = 0
        self._rest = b""
        try:
            me = {"name": "mdcoord", "version": __version__}
            hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": me}
            self.request("initialize", hello, patience)
            self._send({"jsonrpc": "2.0", "method": "notifications/initialized"}, _deadline(patience))
        except BaseException:
            self.stop()
            raise

    def request(self, method: str, params: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Ask, and wait at most `timeout` seconds for the result. Raises Died, Late, Refused."""
        self._number += 1
        deadline = _deadline(timeout)
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}, deadline)
        while True:
            answer = self._receive(deadline)
            if isinstance(answer, dict) and answer.get("id") == self._number and "method" not in answer:
                if "error" in answer:
                    raise Refused(str(answer["error"].get("message")))
                result: dict[str, Any] = answer["result"]
                return result

    def stop(self) -> None:
        """End the server; at once when it does not end by itself. May be called again."""
        self._end()

    def _send(self, message: Mapping[str, Any], deadline: float) -> None:
        assert self._child.stdin
        left = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        while left:
            self._await(self._child.stdin.fileno(), deadline, writing=True)
            try:
                left = left[os.write(self._child.stdin.fileno(), left) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._died() from None

    def _receive(self, deadline: float) -> Any:
        """The next message; lines that are none are passed over."""
        assert self._child.stdout
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            self._await(self._child.stdout.fileno(), deadline)
            parts.append(os.read(self._child.stdout.fileno(), _CHUNK))
            if not parts[-1]:
                raise self._died()
        line, _, self._rest = b"".join(parts).partition(b"\n")
        try:
            return json.loads(line)
        except ValueError:
            return None

    def _await(self, descriptor: int, deadline: float, *, writing: bool = False) -> None:
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            _kill(self._child)
            self.stop()
            raise Late

    def _died(self) -> Died:
        _let_go(self._child)
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()[-_SHOWN:]
        self.stop()
        return Died(said or f"it ended with code {self._child.returncode}")


def _deadline(seconds: float) -> float:
    return time.monotonic() + seconds


def _start(command: Sequence[str], environ: Mapping[str, str], errors: IO[bytes]) -> Popen[bytes]:
    import subprocess

    pipe = subprocess.PIPE
    try:
        # In a session of its own: Ctrl-C in the terminal must not end it while it writes its file.
        child = subprocess.Popen(
            command, env=environ, stdin=pipe, stdout=pipe, stderr=errors, bufsize=0, start_new_session=True
        )
    except OSError as error:
        raise BackendUnavailable(
            f"the TaskQueue server cannot be started: {error}",
            hint="look at coordination.taskqueue_command",
            command=[*command],
        ) from error
    assert child.stdin
    os.set_blocking(child.stdin.fileno(), False)
    return child


def _stop(child: Popen[bytes], errors: IO[bytes], owner: int) -> None:
    if os.getpid() == owner:
        _let_go(child)
    else:
        child.returncode = 0  # a forked child only closes its copies: the server is its parent's
    for pipe in (child.stdin, child.stdout, errors):
        if pipe:
            pipe.close()


def _let_go(child: Popen[bytes]) -> None:
    """Wait for a server to end: it does so by itself when its input ends, unless it hangs."""
    from subprocess import TimeoutExpired

    if child.stdin:
        child.stdin.close()
    try:
        child.wait(_FAREWELL)
    except TimeoutExpired:
        _kill(child)
        child.wait()


def _kill(child: Popen[bytes]) -> None:
    """End a server and what it started, at once."""
    import signal

    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
