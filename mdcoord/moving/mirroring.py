"""The mirror of a workspace as it runs: which folder it may have, when it looks, what is known of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.markdown.home import Home
from mdcoord.backends.markdown.store import MarkdownBackend
from mdcoord.backends.opening import lives_at, redis_url
from mdcoord.config import Config
from mdcoord.errors import AlreadyExists, BackendUnavailable, Busy, Moved, UsageError
from mdcoord.host import Host
from mdcoord.layout import looks_used, state_folder
from mdcoord.moving.mirror import NAME, Mirror, Round

MIRRORS: Final = "mirror"
"""The topic of the workspace's memos about mirrors: `folder`, `host`, and `at`, when both were the same."""

ROUNDS: Final = 10
"""How many rounds in a row there are at most when others write all the time."""

SHARE: Final = 10
"""Looking at the folder takes at most one part in so many of the time while nobody is known to write."""

STAMP: Final = 10.0
"""Seconds between two memos."""

RETRY: Final = 2.0
"""Seconds until a workspace that could not be reached is asked again."""


class Mirroring:
    """A mirror that runs. Iterate over `rounds`, or call `once`."""

    def __init__(self, source: Backend, folder: MarkdownBackend, host: Host) -> None:
        self.folder = folder.location
        self._mirror = Mirror(source, folder)
        self._source = source
        self._host = host
        self._woken = threading.Event()
        self._stamped = -STAMP
        self._away = False

    def once(self) -> Round:
        """Make both the same; what was done for that. Raises BackendUnavailable, Busy."""
        os.makedirs(self.folder, exist_ok=True)
        done = self._mirror.round()
        for _ in range(ROUNDS - 1):
            if self._mirror.settled:
                break
            done.add(self._mirror.round())
        self._stamp()
        return done

    def rounds(self, interval: float) -> Iterator[Round]:
        """Keep both the same for ever; what was done, each time that there was something to do.

        Looks when the workspace tells of a change, and else every `interval` seconds. While it cannot be
        reached it is asked again and again; that is told as something that is `left`, once.
        """
        told = self._source.changes(self._woken.set)
        try:
            while True:
                self._woken.clear()
                begun = time.monotonic()
                if done := self._attempt():
                    yield done
                took = time.monotonic() - begun
                self._woken.wait(RETRY if self._away else max(interval, SHARE * took))
                time.sleep(took)  # others are to get a turn, too, where changes never end
        finally:
            if told:
                told.close()

    def _attempt(self) -> Round:
        try:
            done = self.once()
        except Moved:
            raise
        except (BackendUnavailable, Busy) as error:
            known, self._away = self._away, True
            return Round() if known else Round(left={self._source.location: str(error)})
        self._away = False
        return done

    def _stamp(self) -> None:
        """Note where the mirror is, and that it is up to date, unless the server is full."""
        if time.monotonic() - self._stamped < STAMP:
            return
        name = sha256(f"{self._host.name}\0{self.folder}".encode()).hexdigest()[:16]
        memo = {"folder": self.folder, "host": self._host.name, "at": self._host.stamp()}
        with suppress(BackendUnavailable):
            self._source.keep(MIRRORS, name, lambda _: memo)
        self._stamped = time.monotonic()


@contextmanager
def mirroring(
    source: Backend,
    host: Host,
    config: Config,
    *,
    root: Path | None,
    place: str | None,
    folder: str | Path | None,
) -> Iterator[Mirroring]:
    """The mirror of a workspace in a folder; while it is open, no other process has one there.

    Without a folder it is the workspace's root. `place` is the workspace's, where it was opened by it.
    Raises UsageError, AlreadyExists for a folder that is another workspace's, Busy, BackendUnavailable.
    """
    if source.name in ("markdown", "taskqueue"):
        raise UsageError(
            f"this workspace is in files already ({source.location})",
            hint="one that lives in Redis has a mirror: see `mdcoord migrate redis`",
        )
    if folder is None and root is None:
        raise UsageError("there is no folder for the mirror", hint="name one: mdcoord mirror FOLDER")
    where = Path(folder).expanduser().resolve() if folder is not None else root or Path()
    os.makedirs(where, exist_ok=True)
    home = Home.of(state_folder(where))
    mine = _checked(where, home, config, root, place, source) if source.name == "redis" else ""
    with ExitStack() as stack:
        try:
            stack.enter_context(home.alone())
        except Busy as error:
            raise Busy(
                f"{where} is being mirrored already, or the workspace is being moved",
                hint="one mirror is enough for a folder: let that one run, or end it first",
                path=str(where),
            ) from error
        if mine and where != root:
            home.remember(mine, "this folder is its mirror")
        templates = [str(root / "templates")] if root else None
        store = MarkdownBackend(
            where,
            state=state_folder(where),
            durability=config.durability,
            templates=templates,
            elsewhere=True,
        )
        yield Mirroring(source, stack.enter_context(store), host)


def _checked(
    where: Path, home: Home, config: Config, root: Path | None, place: str | None, source: Backend
) -> str:
    """The workspace's place. Raises AlreadyExists for a folder that is not its own, nor new.

    Whoever takes the folder for a workspace is to find the server by it, and nobody else's.
    """
    lives = lives_at(config, root) if root else ""
    mine, said = _whole(place or lives, config), home.place() or (lives if where == root else "")
    if (_whole(said, config) != mine and not _is_copy(where, source)) if said else looks_used(where):
        raise AlreadyExists(
            f"{where} is another workspace, or has files of one",
            hint="mirror into a folder that is new, or empty",
            path=str(where),
        )
    return mine


def _is_copy(where: Path, source: Backend) -> bool:
    """Whether a folder has a copy of these data, which have another address now."""
    with MarkdownBackend(where, state=state_folder(where), elsewhere=True) as folder:
        name = folder.memo(*NAME)
    return name is not None and name == source.memo(*NAME)


def _whole(place: str, config: Config) -> str:
    """The place on a server as every process understands it; "" for one that is on none."""
    from mdcoord.backends.redis.address import parse_address

    if place.partition(":")[0] in ("markdown", "taskqueue"):
        return ""
    return parse_address(redis_url(config, os.environ) if place == "redis" else place, os.environ).place
