"""Where a new workspace is to live, and remembering it.

What was found out when a workspace was made counts from then on: in the state folder of its root, and for
those who clone the project as `coordination.mode` in the configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mdcoord.backends.base import Backend
from mdcoord.backends.detect import Choice, choose
from mdcoord.backends.markdown.home import HERE, Home
from mdcoord.backends.opening import is_address, kept_in_files, mode_of, no_place, open_backend
from mdcoord.config import Config
from mdcoord.errors import AlreadyExists
from mdcoord.host import Host
from mdcoord.layout import state_folder
from mdcoord.moving.transfer import OWN
from mdcoord.upkeep.configure import ConfigFile

MODE: Final = "coordination.mode"

_DATA: Final = (OWN, "data")
"""The memo, in the files, that names the data on the server where a workspace lives."""


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
    """The choice of another address for the same data, as with another password, or of a promoted replica.

    None where it is the old one. Raises AlreadyExists for other data.
    """
    from mdcoord.backends.redis.address import parse_address

    new, old = (parse_address(url, environ) for url in (asked, lives))
    if new.place == old.place:
        return None
    choice = choose(asked, config, environ)
    if new.shown != old.shown and _data(choice.place, root, config) != _files(root, config).memo(*_DATA):
        raise AlreadyExists(
            f"the workspace in {root} lives in {old.shown} already, and {new.shown} has other data",
            hint="`mdcoord migrate redis URL` moves it there; where the old server is lost for good, "
            f"write the new address into {state_folder(root) / 'home'}",
            path=str(root),
        )
    return _checked(choice, root, config)


def _checked(choice: Choice, root: Path, config: Config) -> Choice:
    """The choice, when the server is no Redis that refuses us: that must not be remembered."""
    if choice.mode == "redis":
        _data(choice.place, root, config)
    return choice


def _data(place: str, root: Path, config: Config) -> str:
    """What names the data on a server. Raises BackendUnavailable, UsageError."""
    with open_backend(place, config, root) as backend:
        return backend.clock(Host()).boot


def note_data(root: Path, config: Config, data: str) -> None:
    """Note what names the data of a workspace on a server, so that they are known at another address."""
    _files(root, config).keep(*_DATA, lambda _: data)


def _files(root: Path, config: Config) -> Backend:
    return open_backend(HERE, config, root, elsewhere=True)


def remember(root: Path, choice: Choice, config: Config) -> list[Path]:
    """Let everybody find the workspace where it is; the files that were made for that.

    A workspace in its files, about which nobody asked, is found without.
    """
    if choice.place == HERE and not choice.asked:
        return []
    Home.of(state_folder(root)).remember(choice.place, "; ".join(choice.reasons))
    if choice.mode == "redis":
        note_data(root, config, _data(choice.place, root, config))
    if choice.mode in (HERE, config.mode):
        return []
    file = ConfigFile(root)
    new = not file.path.exists()
    file.set(MODE, choice.mode)
    return [file.path] if new else []


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
