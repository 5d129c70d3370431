"""Moving a workspace to another store while it is in use, so that nothing is lost or done twice.

Until the very last step the old place is the truth, and the new one nobody's but this migration's. So it may
be killed at any time: done again, it takes over what is there already. When all has been copied and read
back, writers are kept waiting for a moment in which the last changes follow; then the workspace lives at the
new place, and whoever comes to the old one is told (see `errors.Moved`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from mdcoord.backends.addresses import shown
from mdcoord.backends.base import Gate
from mdcoord.backends.markdown.datanote import OWN
from mdcoord.backends.markdown.home import HERE, Home
from mdcoord.backends.opening import lives_at, mode_of, open_backend, redis_url, require_data
from mdcoord.backends.values import Unreadable
from mdcoord.config import Config
from mdcoord.errors import AlreadyExists, BackendUnavailable, ConfigError, Moved, UsageError
from mdcoord.host import Host
from mdcoord.layout import state_folder
from mdcoord.model import DOCUMENTS, Key, Value
from mdcoord.moving.leftbehind import LeftBehind
from mdcoord.moving.transfer import Tell, Transfer
from mdcoord.upkeep.configure import ConfigFile
from mdcoord.upkeep.settle import caveat, note_data

ROUNDS: Final = 3
"""How often what changed meanwhile is copied while all go on working; then writers have to wait."""

FEW: Final = 20
"""With fewer changes than this the rest is copied while writers wait."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was moved, or would be.

    `counts` are the records by kind, `left_out` files that are no text and stay where they are. `archived` is
    how many files of the old place were put into the archive, `set_aside` the names there of files that were
    saved after the workspace had left them. `already` says that it lived there before; then what was left to
    do was done. `notice` is what there is to know of the new place.
    """

    source: str
    target: str
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    archived: int = 0
    already: bool = False
    dry_run: bool = False
    notice: str = ""

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        return {**asdict(self), "left_out": [*self.left_out], "set_aside": [*self.set_aside]}


class Migration:
    """The move of the workspace at `root` to `place`, as `opening.open_backend` understands it.

    With `archive` archived documents come along from the files, too; from a server they always do. With
    `keep` the files stay where they are.
    """

    def __init__(
        self,
        root: Path,
        config: Config,
        host: Host,
        place: str,
        *,
        archive: bool = False,
        keep: bool = False,
        tell: Tell | None = None,
    ) -> None:
        if mode_of(place) not in (HERE, "redis"):
            raise UsageError(f"{shown(place)[:80]!r} is no place to move to", hint="redis://…, or markdown")
        if place == "redis":
            place = redis_url(config, os.environ)
        self._root = root
        self._config = config
        self._archive = archive
        self._keep = keep
        self._home = Home.of(state_folder(root))
        self._left = LeftBehind(root)
        with ExitStack() as opened:
            self._source = opened.enter_context(open_backend(self._lives(), config, root))
            require_data(self._source, config, root)
            self._target = opened.enter_context(open_backend(place, config, root, elsewhere=True))
            self._place = _whole(place)
            everything = archive or place == HERE or self._source.name == "redis"
            self._transfer = Transfer(self._source, self._target, host, archive=everything, tell=tell)
            self._opened = opened.pop_all()

    def rehearse(self) -> Migrated:
        """What would be moved. Changes nothing. Raises AlreadyExists for a place that is somebody else's."""
        if self._is_there():
            return self._done(already=True, dry_run=True)
        self._claim(dry_run=True)
        self._transfer.look()
        return self._done(dry_run=True)

    def run(self) -> Migrated:
        """Move it. Where it raises, the workspace stays where it is.

        Raises AlreadyExists for a place that is somebody else's, Busy while somebody else moves it or where a
        write does not end, BackendUnavailable.
        """
        with self._home.alone():
            return self._run()

    def _run(self) -> Migrated:
        if self._is_there() or self._has_left():
            return self._settled(already=True)
        set_aside = self._claim()
        self._transfer.everything()
        self._transfer.verify()
        for _round in range(ROUNDS):
            if self._transfer.changes() < FEW:
                break
        with self._source.moving() as gate:
            self._transfer.pulse = gate.keep
            self._transfer.changes()
            self._transfer.memos()
            self._transfer.verify_changes()
            self._switch(gate)
        return self._settled(set_aside=tuple(set_aside))

    def close(self) -> None:
        """Let go of both stores."""
        self._opened.close()

    def _lives(self) -> str:
        try:
            return lives_at(self._config, self._root)
        except ConfigError:
            return self._home.place() or HERE  # a move that was killed before the configuration followed

    def _is_there(self) -> bool:
        return self._source.location == self._target.location and self._source.name == self._target.name

    def _has_left(self) -> bool:
        """Whether the old place was left for the new one already, by a move that was killed just then."""
        try:
            self._source.channels()
        except Moved as moved:
            return shown(moved.place) == shown(self._place)
        return False

    def _claim(self, *, dry_run: bool = False) -> list[str]:
        """Make sure that the new place is ours, by a memo there that names this workspace.

        The files of a folder that somebody saved meanwhile are put aside; returns their names.
        """
        mine = self._identity(dry_run)
        comes_back = (self._source.name, self._target.name) == ("redis", HERE)
        if self._target.memo(OWN, "from") == mine:
            if comes_back and not dry_run:
                self._left.put_away(self._unreadable())
            return []
        if self._target.name == "redis" and self._is_occupied():
            raise AlreadyExists(
                f"there is a workspace in {self._target.location} already",
                hint="move to another place: --prefix NAME, another database, or another server",
            )
        if dry_run:
            return []
        # Between TaskQueue and the files of the same folder only the tasks move.
        aside = self._left.clear(self._staying()) if comes_back else []
        self._target.keep(OWN, "from", lambda _: mine)
        return aside

    def _unreadable(self) -> list[str]:
        """What a move that was killed brought already, and no store would replace."""
        found = (copy for kind in DOCUMENTS for copy in self._target.copies(kind))
        names = {one.key.name for one in found if isinstance(one, Unreadable) or one.fields is None}
        return sorted(names.difference(self._staying()))

    def _staying(self) -> list[str]:
        """The files that are no text, but for those in whose place a document comes."""
        names = self._left.no_text()
        return [name for name in names if not self._source.exists(Key(*name.split("-", 1)))]

    def _is_occupied(self) -> bool:
        documents = any(self._target.marks(kind) for kind in DOCUMENTS)
        return documents or bool(self._target.channels() or self._target.archived())

    def _identity(self, dry_run: bool) -> str:
        """What names this workspace, for the memo of a place that is being filled."""
        files = open_backend(HERE, self._config, self._root, elsewhere=True)
        fresh = os.urandom(8).hex()
        known = files.memo(OWN, "id")
        return str(known or (fresh if dry_run else files.keep(OWN, "id", lambda memo: memo or fresh)))

    def _switch(self, gate: Gate) -> None:
        """From here on the new place is the truth.

        Which step decides that depends on where those at the old place look: into the state folder, or at
        what the server says.
        """
        if self._source.name == "redis":
            self._let_come_back()
        elif self._target.name == "redis":
            note_data(self._root, self._config, self._target)  # whoever looks there next is to know them
        if self._target.name == "redis":
            self._target.arrive()
            gate.leave(self._place)
        else:
            gate.leave(self._place)
            self._target.arrive()

    def _let_come_back(self) -> None:
        """Let it be brought back to the server that it leaves; one that is full is left all the same."""
        with (
            suppress(BackendUnavailable),
            open_backend(self._lives(), self._config, self._root, elsewhere=True) as old,
        ):
            old.keep(OWN, "from", lambda _: self._identity(dry_run=False))

    def _settled(self, *, set_aside: tuple[str, ...] = (), already: bool = False) -> Migrated:
        """Do what follows from the move, and may be done again."""
        if self._target.name == HERE and self._home.place() not in ("", HERE):
            self._target.arrive()
        self._target.keep(OWN, "from", lambda _: None)
        mode, said = self._target.name, self._config.mode
        if mode == "redis":
            note_data(self._root, self._config, self._target)
            if not self._is_there() and self._home.place() != self._place:
                self._home.remember(self._place)  # from one server to another nobody has said so yet
        if mode != said and (mode, said) != (HERE, "auto"):
            ConfigFile(self._root).set("coordination.mode", mode)
        away = mode == "redis" and not self._keep
        archived = self._left.archive(archived=self._archive) if away else 0
        return self._done(set_aside=set_aside, archived=archived, already=already)

    def _done(
        self,
        *,
        set_aside: tuple[str, ...] = (),
        archived: int = 0,
        already: bool = False,
        dry_run: bool = False,
    ) -> Migrated:
        return Migrated(
            self._source.location,
            self._target.location,
            {kind: count for kind, count in self._transfer.counts.items() if count},
            tuple(sorted(one.path for one in self._transfer.left_out.values())),
            set_aside,
            archived,
            already,
            dry_run,
            caveat(self._target),
        )


def _whole(place: str) -> str:
    """The place as every process understands it, whatever its environment says."""
    if mode_of(place) != "redis":
        return place
    from mdcoord.backends.redis.address import parse_address

    return parse_address(place, os.environ).place
