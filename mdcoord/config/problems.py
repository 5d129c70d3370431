"""Everything that is wrong with a project's configuration, not only the first thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mdcoord.config import PREFIX, SETTINGS, Config, config_of
from mdcoord.config.files import Place, sources
from mdcoord.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def problems(project: Path, environ: Mapping[str, str]) -> list[ConfigError]:
    """What is wrong in the configuration files of a project's folder and in an environment, by place.

    Files that cannot be read, values of a wrong type or out of range, settings that contradict each other,
    and keys and variables that are no settings. Each error has `path` and `line`, or `variable`.
    """
    found: list[ConfigError] = []
    config = config_of(sources(project, found.append), environ, found.append)
    return sorted([*found, *unknown_keys(config), *misspelt(environ)], key=_place)


def unknown_keys(config: Config) -> list[ConfigError]:
    """The keys in the files that are no settings, each with the setting that is probably meant."""
    from difflib import get_close_matches

    known = [".".join(setting.keys) for setting in SETTINGS.values()]
    sections = list(dict.fromkeys(key.partition(".")[0] for key in known))
    found = []
    for path, line, key in config.unknown:
        near = get_close_matches(key, known if "." in key else [*sections, *known], 1)
        hint = f"did you mean {near[0]}?" if near else "mdcoord passes over it; `mdcoord config` lists all"
        found.append(Place(path, line).error(f"{key} is no setting of mdcoord", hint, setting=key))
    return found


def misspelt(environ: Mapping[str, str]) -> list[ConfigError]:
    """The variables that are no settings, but look like one. Others may be anybody's."""
    from difflib import get_close_matches

    names = {setting.variable.removeprefix(PREFIX): setting for setting in SETTINGS.values()}
    whole = {"_".join(setting.keys).upper(): name for name, setting in names.items()}
    found = []
    for variable in environ:
        name = variable.removeprefix(PREFIX)
        if name == variable or name in names:
            continue
        near = [whole[name]] if name in whole else get_close_matches(name, names, 1, 0.85)
        if near:
            hint = f"did you mean {PREFIX}{near[0]}?"
            found.append(Place(variable).error("there is no such setting", hint))
    return found


def _place(error: ConfigError) -> tuple[str, int]:
    return error.details.get("path") or "", error.details.get("line") or 0
