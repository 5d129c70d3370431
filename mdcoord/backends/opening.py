"""From words to a backend: `markdown`, `redis`, `redis://…`, `taskqueue`, `taskqueue:…`.

What a backend needs is imported only when it is the one that is meant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mdcoord.backends.addresses import shown
from mdcoord.backends.base import Backend
from mdcoord.config import Config, project_folder
from mdcoord.errors import BackendUnavailable, ConfigError, MdcoordError, NotFound, UsageError
from mdcoord.layout import looks_used, state_folder

MODES: Final = ("redis", "taskqueue", "markdown")
"""The modes that a workspace can have, the one that is preferred first."""

_SCHEMES: Final = {"redis": "redis", "rediss": "redis", "unix": "redis", "taskqueue": "taskqueue"}


def mode_of(place: str) -> str | None:
    """The mode that a place belongs to (a mode's name, or `scheme:…`); None for what is no place."""
    if place in MODES:
        return place
    scheme, colon, _ = place.partition(":")
    return _SCHEMES.get(scheme.lower()) if colon else None


def is_address(place: str) -> bool:
    """Whether this is the address of a store (`redis://…`, `taskqueue:…`), no folder and no mode's name."""
    return place not in MODES and mode_of(place) is not None


def no_place(place: str) -> UsageError:
    """The error for a text that is no place, in which there may be a password."""
    modes = ", ".join(MODES)
    return UsageError(
        f"there is no backend {shown(place)[:80]!r}", hint=f"one of auto, {modes}, or an address"
    )


def open_home(config: Config, root: Path) -> Backend:
    """The backend where the workspace of a folder lives, which goes along when the workspace moves.

    Raises DataMissing for a server that has not its data, BackendUnavailable, ConfigError (see `lives_at`).
    """
    from mdcoord.backends.following import follow

    def opened(place: str) -> Backend:
        return open_backend(place, config, root)

    backend = opened(lives_at(config, root))
    require_data(backend, config, root)
    return follow(backend, opened)


def require_data(backend: Backend, config: Config, root: Path) -> None:
    """Raise DataMissing, and close it, for a server that has not the data of the workspace of a folder."""
    if backend.name != "redis":
        return
    from mdcoord.backends.markdown.datanote import DataNote

    try:
        DataNote(root, config).require(backend)
    except MdcoordError:
        backend.close()
        raise


def lives_at(config: Config, root: Path) -> str:
    """The place of the workspace of a folder: what is remembered, see `markdown.home`.

    Where nothing is, and nothing is in the folder, it is where the configuration says, else in its files.
    Raises ConfigError when the configuration names another mode: one team must not be parted; and
    BackendUnavailable for a clone whose configuration has a command that nobody has agreed to yet, or names
    no server: what just happens to run here is another team's.
    """
    from mdcoord.backends.markdown.home import HERE, Home

    place = Home.of(state_folder(root)).place()
    lives = mode_of(place or HERE)
    if config.mode in ("auto", lives):
        return place or HERE
    if not place and not kept_in_files(root, config.mode):
        if config.mode == "taskqueue":
            _require_agreed(config)
        elif config.mode == "redis" and not names_redis(config, os.environ):
            raise BackendUnavailable(
                f"{config.origin('mode')}: this workspace lives in Redis, and nothing says on which server",
                hint="set REDIS_URL, or say it once: `mdcoord init --backend redis://host:port/0`",
            )
        return config.mode
    raise ConfigError(
        f"{config.origin('mode')}: coordination.mode is {config.mode}, but this workspace lives in {lives}",
        hint=f"set it to {lives}, or move the workspace with `mdcoord migrate`",
        setting="mode",
    )


def kept_in_files(root: Path, mode: str | None = None) -> bool:
    """Whether a folder holds a workspace that is in files, and so cannot be in this mode, too."""
    if mode == "taskqueue":  # there only tasks are elsewhere
        return any(name.startswith("task-") for name in os.listdir(root))
    return looks_used(root)


def _require_agreed(config: Config) -> None:
    """A command in a file of the project is not run for somebody who has only cloned and looked."""
    place = config.places.get("taskqueue_command")
    if place and place.line:
        raise BackendUnavailable(
            f"{place}: this command would start the TaskQueue server of this workspace",
            hint="look at it; `mdcoord init --backend taskqueue` says that it is fine",
            path=place.source,
            line=place.line,
        )


def open_backend(place: str, config: Config, root: Path | None, *, elsewhere: bool = False) -> Backend:
    """The backend at a place: a mode's name, whose settings `config` has, or the address of one.

    `root` is the workspace's folder, None where there is none. The address of a TaskQueue is
    `taskqueue:FILE#PROJECT`, each part of which may be left out. With `elsewhere` it is known that the
    workspace lives at another place (yet). Raises UsageError, NotFound, BackendUnavailable.
    """
    mode = mode_of(place)
    if mode is None:
        raise no_place(place)
    if mode == "markdown":
        return _markdown(config, _folder(root), elsewhere)
    if mode == "redis":
        return _redis(place if is_address(place) else redis_url(config, os.environ), root, elsewhere)
    return _taskqueue(place, config, _folder(root), elsewhere)


def _markdown(config: Config, root: Path, elsewhere: bool) -> Backend:
    from mdcoord.backends.markdown.store import MarkdownBackend

    return MarkdownBackend(root, state=state_folder(root), durability=config.durability, elsewhere=elsewhere)


def _redis(url: str, root: Path | None, elsewhere: bool) -> Backend:
    from mdcoord.backends.redis.store import RedisBackend

    return RedisBackend(url, templates=[str(root / "templates")] if root else (), elsewhere=elsewhere)


def redis_url(config: Config, environ: Mapping[str, str]) -> str:
    """Where Redis is: as configured, else by REDIS_URL, else by REDIS_HOST, REDIS_PORT and REDIS_DB."""
    if config.origin("redis_url") != "default":
        return config.redis_url
    return environ.get("REDIS_URL") or "redis://"


def names_redis(config: Config, environ: Mapping[str, str]) -> bool:
    """Whether the configuration or the environment says where Redis is."""
    return config.origin("redis_url") != "default" or any(map(environ.get, ("REDIS_URL", "REDIS_HOST")))


def _taskqueue(place: str, config: Config, root: Path, elsewhere: bool) -> Backend:
    from mdcoord.backends.taskqueue.queue import Queue
    from mdcoord.backends.taskqueue.server import command_of, file_of
    from mdcoord.backends.taskqueue.store import TaskQueueBackend

    file, _, project = place.partition(":")[2].partition("#")
    queue = Queue(
        command_of(config, os.environ),
        file or file_of(config, os.environ),
        project or config.taskqueue_project or f"mdcoord: {project_folder(root)}",
    )
    rest: Any = {"durability": config.durability, "elsewhere": elsewhere}
    return TaskQueueBackend(root, queue, state=state_folder(root), **rest)


def _folder(root: Path | None) -> Path:
    if root is None:
        raise NotFound("there is no workspace here", hint="make one with `mdcoord init`")
    return root
