"""Where a new workspace is to live, and remembering it.

What was found out when a workspace was made counts from then on: in the state folder of its root, and for
those who clone the project as `coordination.mode` in the configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.detect import Choice, choose
from mdcoord.backends.markdown.datanote import DataNote
from mdcoord.backends.markdown.home import HERE, Home
from mdcoord.backends.opening import is_address, kept_in_files, mode_of, no_place, open_backend, require_data
from mdcoord.config import Config
from mdcoord.errors import AlreadyExists, BackendUnavailable
from mdcoord.host import Host
from mdcoord.layout import state_folder
from mdcoord.upkeep.configure import ConfigFile

MODE: Final = "coordination.mode"
DATA: Final = "coordination.redis_data"


def settled(root: Path, asked: str | None, config: Config, environ: Mapping[str, str]) -> Choice | None:
    """The choice for the workspace to be made at this root; None for one that lives somewhere already.

    `asked` is as in `detect.choose`. Raises AlreadyExists for one that lives elsewhere than asked for,
    UsageError for what is no place, BackendUnavailable where what is asked for is absent.
    """
    if asked not in (None, "auto") and mode_of(asked) is None:
        raise no_place(asked)
    lives = Home.of(state_folder(root)).place()
    wanted = mode_of(asked or "")
    if not lives and not (root.is_dir() and (asked is None or kept_in_files(root, wanted))):
        return _checked(choose(asked, config, environ), root, config)
    mode = mode_of(lives or HERE)
    if asked not in (None, "auto") and wanted != mode:
        raise AlreadyExists(
            f"the workspace in {root} lives in {mode} already", hint=moving(mode or HERE), path=str(root)
        )
    if asked is None or mode != "redis" or not is_address(asked):
        return None
    return _at_new_address(root, asked, lives, config, environ)


def _at_new_address(
    root: Path, asked: str, lives: str, config: Config, environ: Mapping[str, str]
) -> Choice | None:
    """The choice of an address for the data, as with another password, or of a promoted replica.

    Also of an empty server, where the old one is gone or has lost them. None where they are there already.
    Raises AlreadyExists for other data, and for an empty server while the old one has them.
    """
    from mdcoord.backends.redis.address import parse_address

    new, old = (parse_address(url, environ) for url in (asked, lives))
    known = DataNote(root, config).known()
    choice = choose(asked, config, environ)
    found = _data(choice.place, root, config)
    if found and found == known:
        return None if new.place == old.place else choice
    if new.shown != old.shown and (found or _is_there(lives, root, config)):
        raise AlreadyExists(
            f"the workspace in {root} lives in {old.shown} already, and {new.shown} has "
            f"{'other' if found else 'no'} data",
            hint="`mdcoord migrate redis URL` moves it there; where the old server is lost for good, name an "
            "empty place: another server, another database, or ?prefix=",
            path=str(root),
        )
    return _checked(choice, root, config)


def _is_there(place: str, root: Path, config: Config) -> bool:
    """Whether a server has the data of the workspace still."""
    try:
        with open_backend(place, config, root) as backend:
            require_data(backend, config, root)
    except BackendUnavailable:
        return False
    return True


def _checked(choice: Choice, root: Path, config: Config) -> Choice:
    """The choice, when its server is no Redis that refuses us, or has other data: that is not remembered.

    With a notice, when the workspace is to begin anew there.
    """
    if choice.mode != "redis":
        return choice
    note = DataNote(root, config)
    with open_backend(choice.place, config, root) as backend:
        if note.known() in (None, backend.data):
            return choice
        if backend.data or not note.lived():
            raise note.missing(backend)
        return replace(
            choice,
            notice=f"{backend.location} is empty, and the workspace begins anew: `mdcoord import FOLDER`"
            " brings its documents back from a mirror, or from archive/pre-redis",
        )


def _data(place: str, root: Path, config: Config) -> str | None:
    """What names the data on a server. Raises BackendUnavailable, UsageError."""
    with open_backend(place, config, root) as backend:
        return backend.data


def note_data(root: Path, config: Config, backend: Backend) -> bool:
    """Note what names the data of a workspace on a server, which get a name when they are new.

    In the folder, and for clones in the configuration file; whether that was changed.
    """
    name = backend.clock(Host()).boot
    DataNote(root, config).keep(name)
    if name == config.redis_data:
        return False
    ConfigFile(root).set(DATA, name)
    return True


def remember(root: Path, choice: Choice, config: Config) -> list[Path]:
    """Let everybody find the workspace where it is; the files that were made or changed for that.

    A workspace in its files, about which nobody asked, is found without.
    """
    if choice.place == HERE and not choice.asked:
        return []
    changed = False
    if choice.mode == "redis":
        with open_backend(choice.place, config, root) as backend:
            changed = note_data(root, config, backend)
    Home.of(state_folder(root)).remember(choice.place, "; ".join(choice.reasons))
    file = ConfigFile(root)
    if choice.mode not in (HERE, config.mode):
        file.set(MODE, choice.mode)
        changed = True
    return [file.path] if changed else []


def reason(root: Path | None, config: Config) -> str:
    """Why the workspace of a root lives where it does, as far as anybody knows."""
    kept = Home.of(state_folder(root)).reason() if root else ""
    if kept or config.origin("mode") == "default":
        return kept or "no server was asked for"
    return f"{config.origin('mode')} says so"


def caveat(backend: Backend) -> str:
    """What there is to know of a server that keeps nothing when it ends; "" of any other store."""
    if backend.durability != "memory":
        return ""
    return (
        f"{backend.location} keeps all in memory only, and a restart of the server loses it: "
        "set `appendonly yes` in its configuration, or keep a copy with `mdcoord mirror`"
    )


def moving(mode: str) -> str:
    """How a workspace that lives in this mode comes to another one."""
    if mode == HERE:
        return "`mdcoord migrate redis URL` moves it to a server"
    return "`mdcoord migrate markdown` brings it back into files"
