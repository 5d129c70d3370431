"""Which data on a server are a workspace's: by the name that they have there.

Two places remember it: the state folder, whenever the workspace is opened; and the configuration file, by
which clones find out that they were given the address of another server, database or prefix. The file goes
first: it may come from somebody who has begun anew after the server had lost everything.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from mdcoord.backends.base import DEFAULT_WAIT, Backend
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.memos import Memos
from mdcoord.config import Config
from mdcoord.errors import BackendUnavailable, Busy, DataMissing, Moved, NotDurable
from mdcoord.layout import state_folder

OWN: Final = "migration"
"""The topic of the memos that moving a workspace itself needs; they stay where they are."""

_NAME: Final = "data"


class DataNote:
    """What is remembered of the data of the workspace at `root`."""

    def __init__(self, root: Path, config: Config) -> None:
        self._files = FileIO("", str(state_folder(root)), config.durability)
        self._memos = Memos(self._files)
        self._said = config.redis_data if config.mode == "redis" else None
        self._origin = config.origin("redis_data")

    def known(self) -> str | None:
        """The name of the data; None where nobody has noted any. Raises BackendUnavailable."""
        return self._said or self._noted()

    def lived(self) -> bool:
        """Whether what is known is known from this folder, too: it is no clone that was never there."""
        return self.known() == self._noted()

    def keep(self, name: str) -> None:
        """Note the name of the data in the state folder. Raises BackendUnavailable, Busy, NotDurable."""
        if self._noted() != name:
            self._files.prepare()
            self._memos.keep(OWN, _NAME, lambda _: name, DEFAULT_WAIT)

    def require(self, backend: Backend) -> None:
        """Raise DataMissing for a server that has not these data; where none are known, note what it has.

        One that the workspace has left is right, whatever data it has: it tells where they are now.
        """
        found = backend.data
        if found != (self.known() or found):
            with suppress(Moved):
                backend.channels()
                raise self.missing(backend)
        elif found:
            with suppress(BackendUnavailable, Busy, NotDurable):  # of a folder that can only be read
                self.keep(found)

    def missing(self, backend: Backend) -> DataMissing:
        """The error for a server that has not these data."""
        where = backend.location
        if self.lived():
            return DataMissing(
                f"{where} has not the data of this workspace: it lost them, or is another server",
                hint="bring the server's own data file back; or begin anew with `mdcoord init --backend URL`,"
                " then `mdcoord import FOLDER` brings documents back from a mirror or archive/pre-redis",
                location=where,
            )
        return DataMissing(
            f"{where} has not the data of this project, which {self._origin} names",
            hint="ask for the address of its server, and do not forget ?prefix=, for `mdcoord init --backend "
            "URL`; where the data are lost for good, take the setting out",
            location=where,
        )

    def _noted(self) -> str | None:
        noted = self._memos.get(OWN, _NAME)
        return noted if isinstance(noted, str) else None
