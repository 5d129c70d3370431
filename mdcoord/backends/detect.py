"""Which mode a new workspace gets: Redis if it answers a ping, else TaskQueue, else Markdown.

Only looked at when a workspace is made: what is found then is remembered, for one team must never be on two
stores because a server was away for a moment. A ping is a few bytes over a bare socket: redis-py, which
takes ten times as long to import, is not needed to find that nobody listens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mdcoord.backends.opening import is_address, mode_of, names_redis, open_backend, redis_url
from mdcoord.config import Config
from mdcoord.config.kinds import OFF
from mdcoord.errors import BackendUnavailable, UsageError

if TYPE_CHECKING:
    from socket import socket

    from mdcoord.backends.redis.address import Address

NEAR: Final = 0.04
"""Seconds for the ping of a server on this machine that nobody named."""

FAR: Final = 1.0
"""Seconds for the ping of a server that somebody named."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A place for `opening.open_backend`, and why.

    It may hold a password, the reasons hold none. `notice` tells that a server is not used that was named, or
    that is there and refuses; `asked` is False where nobody asked for anything.
    """

    place: str
    reasons: tuple[str, ...] = ()
    notice: str = ""
    asked: bool = True

    @property
    def mode(self) -> str:
        """The mode of the place."""
        return mode_of(self.place) or self.place


def choose(asked: str | None, config: Config, environ: Mapping[str, str]) -> Choice:
    """The choice for a new workspace.

    `asked` is `auto`, a mode, an address, or None: then what the configuration says. Where that is silent,
    too, only servers count that it or the environment names: a Redis that happens to run on this machine is
    not joined by somebody who asked for nothing. Raises BackendUnavailable where what is asked for is absent.
    """
    said = asked or (config.mode if config.origin("mode") != "default" else "")
    if said in ("", "auto"):
        return _first(config, environ, everywhere=said == "auto")
    why = "it was asked for" if asked else f"{config.origin('mode')} says so"
    look = _LOOKS.get(mode_of(said) or "")
    if look is None:
        return Choice(said, (why,))
    place, words = look(config, environ, said)
    if not place:
        raise BackendUnavailable(
            words,
            hint=f"{mode_of(said)} is needed, as {why}: start or install it, or choose markdown, "
            "which needs no server",
        )
    return Choice(place, (why, words))


def _first(config: Config, environ: Mapping[str, str], *, everywhere: bool) -> Choice:
    """The first mode whose server is there, of those that were named, or of all."""
    reasons: list[str] = []
    missed: list[str] = []
    for mode, look in _LOOKS.items():
        named = _named(mode, config, environ)
        if not (named or everywhere):
            continue
        place, words = look(config, environ, mode)
        refused = "" if named or not place else _refusal(place, config)
        reasons.append(refused or words)
        if place and not refused:
            return Choice(place, tuple(reasons), _notice(missed, mode))
        if named or refused:
            missed.append(reasons[-1])
    asked = bool(reasons)
    return Choice("markdown", tuple(reasons), _notice(missed, "markdown"), asked)


def _refusal(place: str, config: Config) -> str:
    """Why a server that nobody named is of no use, as it wants a password, for example; "" where it is."""
    if mode_of(place) == "redis":
        try:
            open_backend(place, config, None).close()
        except (BackendUnavailable, UsageError) as error:
            return error.message
    return ""


def _named(mode: str, config: Config, environ: Mapping[str, str]) -> bool:
    """Whether the configuration or the environment says where such a server is."""
    if mode == "taskqueue":
        return config.taskqueue_command not in (None, OFF)
    return names_redis(config, environ)


def _notice(missed: list[str], mode: str) -> str:
    return f"{'; '.join(missed)}: this workspace is kept in {mode}" if missed else ""


def _redis(config: Config, environ: Mapping[str, str], said: str) -> tuple[str, str]:
    """Where Redis answers ("" where it does not), and that in words.

    The place has all that was found out, for another process may have other variables. Raises
    BackendUnavailable where a server is named and its library is missing: others may well be there.
    """
    from importlib.util import find_spec

    from mdcoord.backends.redis.address import no_library, parse_address

    address = parse_address(said if is_address(said) else redis_url(config, environ), environ)
    named = is_address(said) or _named("redis", config, environ)
    missing = find_spec("redis") is None
    if named and missing:
        raise no_library()
    problem = ping(address, FAR if named else NEAR)
    if problem:
        return "", f"no Redis at {address.shown} ({problem})"
    if missing:
        return "", f"Redis answers at {address.shown}, but {no_library()}"
    return address.place, f"Redis answers at {address.shown}"


def _taskqueue(config: Config, environ: Mapping[str, str], said: str) -> tuple[str, str]:
    """The same for TaskQueue, whose server is started and asked once. Raises Busy."""
    from mdcoord.backends.taskqueue.queue import Queue
    from mdcoord.backends.taskqueue.server import command_of, file_of

    try:
        command = command_of(config, environ)
    except BackendUnavailable as error:
        return "", error.message
    named = said.partition(":")[2].partition("#")[0]
    file = os.path.abspath(os.path.expanduser(named or file_of(config, environ)))
    queue = Queue(command, file, "", environ=environ)
    try:
        queue.greet()
    except BackendUnavailable as error:
        return "", str(error)
    finally:
        queue.close()
    return said if is_address(said) else f"taskqueue:{file}", f"a TaskQueue server is there: {command[-1]}"


_LOOKS: Final[dict[str, Callable[[Config, Mapping[str, str], str], tuple[str, str]]]] = {
    "redis": _redis,
    "taskqueue": _taskqueue,
}


def ping(address: Address, patience: float) -> str:
    """Why no Redis answers at an address within `patience` seconds; "" where one does."""
    from threading import Thread

    answer: list[str] = []
    # In a thread, as finding out the address of a name may take long and cannot be told to end.
    thread = Thread(target=lambda: answer.append(_ping(address, patience)), daemon=True)
    thread.start()
    thread.join(patience)
    return answer[0] if answer else f"no answer in {patience:g} s"


def _ping(address: Address, patience: float) -> str:
    try:
        with _connected(address, patience) as connection:
            if address.url.startswith("rediss:"):
                return ""  # somebody listens; greeting him takes more than a ping is worth
            connection.settimeout(patience)
            connection.sendall(b"PING\r\n")
            said = connection.recv(64)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    # One that wants a password, or still loads its data, says so with an error; it is there.
    return "" if said[:1] in (b"+", b"-") else "something else listens there"


def _connected(address: Address, patience: float) -> socket:
    import socket
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(address.url)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname, parts.port), patience)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(patience)
        connection.connect(unquote(parts.path))
    except BaseException:
        connection.close()
        raise
    return connection
