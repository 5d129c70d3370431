"""The line to a Redis server: one request, one answer, within the time-out; broken lines are tried again.

Every step that changes something is one script that may be repeated (see `commit.lua`), so after a lost
answer it is simply sent again, until the time-out. redis-py opens the connections (TLS, authentication,
parser); its client above them is left out, as it costs more than the server does.

In a cluster all keys of a workspace are on one node (the prefix holds a hash tag), so one connection serves
there, too: to the node that the cluster names.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from mdcoord.backends.addresses import moved_to
from mdcoord.backends.redis.address import Address, no_library, unknown, wrong
from mdcoord.errors import BackendUnavailable, Busy

try:
    import redis
    from redis import exceptions as faults
    from redis.backoff import NoBackoff
    from redis.connection import parse_url
    from redis.retry import Retry
except ImportError as error:
    raise no_library() from error

try:
    from hiredis import pack_command as _pack
except ImportError:  # it makes packing quicker, and no more
    _pack = None  # type: ignore[assignment]

SHORTEST: Final = 0.01
LONGEST: Final = 0.5
"""Seconds between two attempts."""

RECKONED: Final = 30.0
"""Seconds after which the distance to the server's clock is measured anew."""

Word = str | bytes | int | float
Command = Sequence[Word]

_PASSING = (
    *(faults.BusyLoadingError, faults.ReadOnlyError, faults.ClusterDownError, faults.MasterDownError),
    *(faults.TryAgainError, faults.AskError),
)
"""What is over soon: the server starts, another one takes its place, or a cluster moves the keys."""


class Script:
    """A Lua script beside this module, made of the texts of these names."""

    def __init__(self, *names: str) -> None:
        self._paths = [Path(__file__).with_name(f"{name}.lua") for name in names]

    @cached_property
    def source(self) -> bytes:
        """Its text."""
        return b"".join(path.read_bytes() for path in self._paths)

    @cached_property
    def digest(self) -> str:
        """Its name on the server."""
        return sha1(self.source, usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], values: Sequence[Word]) -> Command:
        """The command that runs it."""
        return ("EVALSHA", self.digest, len(keys), *keys, *values)


class Link:
    """Requests to one server. Safe to share between threads, and usable after a fork.

    `uptime` is the clock of this machine by which time is measured between two answers of the server. `away`
    is the key that says that the workspace has moved ("": nobody looks): every script has it as its last key,
    and every other request is answered with Moved when it is there. `first` is done before the first write.
    """

    def __init__(self, address: Address, uptime: Callable[[], float]) -> None:
        self.address = address
        self.away = ""
        self.first: Callable[[], object] | None = None
        self._uptime = uptime
        self._kind, self._options = _understood(address)
        self._options |= {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
        self._home: dict[str, Any] = {
            name: self._options[name] for name in ("host", "port") if name in self._options
        }
        self._free: deque[Any] = deque()
        self._pid = os.getpid()
        self._answered = False
        self._ahead, self._doubt, self._measured = 0.0, float("inf"), 0.0

    broken = (faults.RedisError, OSError)
    """What using a connection raises when it is of no use any more."""

    late = faults.TimeoutError
    """What waiting for an answer raises when there is none yet."""

    def begin(self) -> None:
        """Say that something is about to be written. Raises what `first` raises."""
        first = self.first
        if first is not None:  # threads that write at once may each do it
            first()
            self.first = None

    def call(self, *command: Word) -> Any:
        """The server's answer to one command. Raises BackendUnavailable."""
        return self.many([command])[0]

    def many(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, sent at once; other requests may come between them."""
        if not self.away:
            return self._exchange(commands)
        *answers, place = self._exchange([*commands, ("GET", self.away)])
        if place is not None and not place.startswith(b"!"):
            raise moved_to(place.decode())
        return answers

    def knows(self, *command: Word) -> bool:
        """Whether the server has this command, and lets us use it."""
        fault = self._attempt([command], self.address.timeout)[1]
        if fault is not None and not isinstance(fault, faults.ResponseError):
            raise self.unavailable(fault)
        return fault is None

    def run(
        self, script: Script, keys: Sequence[str], values: Sequence[Word], again: Sequence[Word] | None = None
    ) -> list[Any]:
        """What a script answers, without the time. `again` are the values for every attempt but the first."""
        begun, keys = self._uptime(), self._with_away(keys)
        repeated = None if again is None else [script.call(keys, again)]
        (answer,) = self._exchange([script.call(keys, values)], repeated, script)
        self._reckon(answer, begun)
        return answer[2:]  # type: ignore[no-any-return]

    def run_all(
        self, script: Script, requests: Sequence[tuple[Sequence[str], Sequence[Word]]]
    ) -> list[list[Any]]:
        """What a script answers to several requests, which are sent at once."""
        commands = [script.call(self._with_away(keys), values) for keys, values in requests]
        return [answer[2:] for answer in self._exchange(commands, script=script)]

    def now(self) -> float:
        """Seconds since 1970 by the server's clock."""
        return self._uptime() + self._ahead

    def connect(self, seconds: float | None = None) -> Any:
        """A connection of one's own; connecting and every answer may take so long."""
        allowed = self.address.timeout if seconds is None else seconds
        connection = self._kind(
            **self._options, socket_timeout=allowed, socket_connect_timeout=min(allowed, self.address.timeout)
        )
        connection.connect()
        return connection

    def unavailable(self, error: Exception) -> BackendUnavailable:
        """The error for a server that cannot be reached, or that refuses."""
        if isinstance(error, faults.ReadOnlyError):
            return BackendUnavailable(
                f"Redis at {self.address.shown} is a replica, which takes no writes",
                hint="name its primary; after a fail-over `mdcoord init --backend URL` names the new one",
                location=self.address.shown,
            )
        words = str(error).removesuffix(".") or type(error).__name__
        refused = isinstance(error, faults.ResponseError | faults.AuthenticationError)
        return BackendUnavailable(
            f"Redis at {self.address.shown} {'refused' if refused else 'does not answer'}: {words}",
            hint=_hint(error) if refused else "see that it runs and that its address is right, and try again",
            location=self.address.shown,
        )

    def keys(self, head: str) -> list[str]:
        """All keys that begin so; looks at every key of the server."""
        pattern = re.sub(r"([][*?\\^])", r"\\\1", head) + "*"
        cursor, found = b"0", set[str]()
        while True:
            cursor, names = self.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            found.update(name.decode() for name in names)
            if cursor == b"0":
                return sorted(found)

    def close(self) -> None:
        """Close what is open. May be called again; the next request opens a new connection."""
        while self._free:
            self._free.pop().disconnect()

    def _with_away(self, keys: Sequence[str]) -> Sequence[str]:
        return [*keys, self.away] if self.away else keys

    def _exchange(
        self,
        commands: Sequence[Command],
        again: Sequence[Command] | None = None,
        script: Script | None = None,
    ) -> list[Any]:
        begun, pause, left, first = self._uptime(), 0.0, self.address.timeout, list[Command]()
        while True:
            answers, fault = self._attempt([*first, *commands], left)
            if fault is None:
                return answers[len(first) :]
            left = self.address.timeout - (self._uptime() - begun)
            first = []
            if left <= pause and str(fault).startswith("CLOSED "):
                raise Busy(
                    "the workspace is being moved", hint="try again in a moment", location=self.address.shown
                )
            if left <= pause:
                raise self.unavailable(fault) from None
            if isinstance(fault, faults.NoScriptError) and script:
                first = [("SCRIPT", "LOAD", script.source)]
            elif isinstance(fault, faults.ResponseError) and str(fault).startswith("AWAY "):
                raise moved_to(str(fault)[5:]) from None
            elif isinstance(fault, faults.MovedError):
                self._move(fault.host, fault.port)
            elif self._passing(fault):
                commands = again or commands
                time.sleep(pause * (0.5 + random.random() / 2))
                pause = min(max(SHORTEST, pause * 2), LONGEST)
            else:
                raise self.unavailable(fault) from None

    def _attempt(self, commands: Sequence[Command], seconds: float) -> tuple[list[Any], Exception | None]:
        """The answers, and what went wrong with all or one of them."""
        try:
            connection = self._idle() or self.connect(seconds)
            answers = self._ask(connection, commands)
        except self.broken as error:
            self.close()  # the others are hardly better
            self._options.update(self._home)  # whom a cluster has put in its place is known there
            return [], error
        self._answered = True
        if seconds == self.address.timeout:
            self._free.append(connection)
        else:
            connection.disconnect()  # the address may lead to another server by now
        return answers, next((one for one in answers if isinstance(one, Exception)), None)

    def _idle(self) -> Any:
        """A connection that waits for work, None where there is none."""
        if self._pid != os.getpid():
            self._free, self._pid = deque(), os.getpid()  # they are the parent's
        try:
            return self._free.pop()
        except IndexError:
            return None

    def _ask(self, connection: Any, commands: Sequence[Command]) -> list[Any]:
        connection.send_packed_command(_packed(connection, commands), check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(connection.read_response())
            except faults.ResponseError as error:
                answers.append(_unwrapped(error))
        return answers

    def _passing(self, fault: Exception) -> bool:
        """Whether to ask again. A server that never answered is not there: that is said at once."""
        if isinstance(fault, _PASSING) or str(fault).startswith("CLOSED "):
            return True
        broken = isinstance(fault, faults.ConnectionError | faults.TimeoutError | OSError)
        return broken and self._answered and not isinstance(fault, faults.AuthenticationError)

    def _move(self, host: str, port: int) -> None:
        """Go to the node of a cluster that has the keys."""
        self._options.update({"host": host, "port": port} if host else {"port": port})
        self.close()

    def _reckon(self, answer: Sequence[Any], begun: float) -> None:
        """Set the server's clock by an answer; the quickest one tells it best."""
        now = self._uptime()
        if now - begun <= self._doubt or now - self._measured > RECKONED:
            self._ahead = int(answer[0]) + int(answer[1]) / 1e6 - (begun + now) / 2
            self._doubt, self._measured = now - begun, now


def _packed(connection: Any, commands: Sequence[Command]) -> list[bytes]:
    if _pack is None:
        return list(connection.pack_commands(commands))
    # redis-py would look at the type of every word before; ours are of types that can be packed.
    return [b"".join(_pack(tuple(command)) for command in commands)]  # type: ignore[arg-type]


def _understood(address: Address) -> tuple[Any, dict[str, Any]]:
    """The kind of connection that an address means to redis-py, and its options. Raises UsageError."""
    try:
        options: dict[str, Any] = parse_url(address.url)  # type: ignore[no-untyped-call]
        kind = options.pop("connection_class", redis.Connection)
        kind(**options)  # refuses what it does not know
    except (TypeError, ValueError, faults.RedisError) as error:
        if strange := re.search(r"unexpected keyword argument '(\w+)'", str(error)):
            raise unknown(strange[1]) from None
        raise wrong(str(error).rpartition("() ")[2].removesuffix(".")) from None
    return kind, options


def _unwrapped(error: Exception) -> Exception:
    """Before version 7 an error of a script hides what kind of error its command met."""
    return faults.ReadOnlyError(str(error)) if "-READONLY " in str(error) else error


def _hint(error: Exception) -> str:
    if isinstance(error, faults.AuthenticationError | faults.AuthorizationError):
        return (
            "give the user and the password in its URL, redis://user:password@host:port/0; "
            "`mdcoord init --backend URL` changes those of a workspace"
        )
    if isinstance(error, faults.NoPermissionError):
        return "let its user do this: `ACL LOG` on the server says what was refused"
    return "see its log, its memory and its disk, then try again"
