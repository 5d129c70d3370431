"""Which checks a project wants, and the exact program and arguments of each for some files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mdcoord.config import SETTINGS, Config, Setting
from mdcoord.config.detect import FILES, SUFFIXES, Found, Project
from mdcoord.config.kinds import AUTO, OFF

CHECKS: Final = {
    "lint": ("quality_lint", "lint_command"),
    "types": ("quality_types", "type_check_command"),
    "tests": ("quality_tests", "test_command"),
    "security": ("quality_security",),
    "complexity": ("quality_complexity",),
}
"""The checks in their order, each with its settings; the first that is not `auto_detect` counts."""

_MOST: Final = 100_000
"""Bytes of file names that one command is given; with more, it looks at the whole project."""

_QUOTED_FILES: Final = re.compile(rf"""(["']?){re.escape(FILES)}\1""")


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `command` is a text for the shell, or a program and its arguments; `{files}` in it stands
    for the files to look at, of which it takes those that end with `suffixes` (none: all).

    Without a command, `reason` says why there is none. `output_fails` and `nothing`: see `Found`.
    """

    name: str
    type: str = ""
    command: str | tuple[str, ...] = ()
    reason: str = ""
    suffixes: tuple[str, ...] = ()
    output_fails: bool = False
    nothing: int | None = None

    @property
    def takes_files(self) -> bool:
        """Whether it can look at some files only."""
        return FILES in self.command

    @property
    def text(self) -> str:
        """The command as people read it."""
        if isinstance(self.command, str):
            return self.command
        from shlex import join

        if not self.command:
            return ""
        program, *rest = self.command
        return join([os.path.basename(program), *rest]).replace(f"'{FILES}'", FILES)

    def chosen(self, files: Sequence[str] | None) -> Sequence[str] | None:
        """Those of the files that this check looks at; None: the whole project."""
        if files is None or not self.takes_files or sum(len(name) + 1 for name in files) > _MOST:
            return None
        return [name for name in files if not self.suffixes or name.endswith(self.suffixes)]

    def arguments(self, files: Sequence[str] | None) -> list[str]:
        """The program and its arguments for these files (None: the whole project).

        A text is run by `sh -c`, with the files as its arguments: a name is never read as code.
        """
        names = ["."] if files is None else [f"./{name}" if name.startswith("-") else name for name in files]
        if isinstance(self.command, str):
            return ["/bin/sh", "-c", _QUOTED_FILES.sub('"$@"', self.command), "sh", *names]
        words: list[str] = []
        for word in self.command:
            words += names if word == FILES else [word]
        return words


def checks_of(config: Config, project: Project) -> Iterator[Check]:
    """All checks, in their order: as configured, else as found for each type of project."""
    for name, settings in CHECKS.items():
        yield from command_of(config, project, name, settings)


def command_of(config: Config, project: Project, name: str, settings: Sequence[str]) -> Iterator[Check]:
    """What does one job of a project, also one that is no check (`build`).

    The first of the settings that is not `auto_detect` counts, else what is found for each type.
    """
    types = types_of(config, project)
    setting = next((one for one in settings if getattr(config, one) != AUTO), None)
    if setting is None:
        yield from _found(name, project, types, SETTINGS[settings[0]])
    elif (command := getattr(config, setting)) == OFF:
        yield Check(name, reason=f"turned off by {_key(SETTINGS[setting])}")
    else:
        suffixes = tuple(suffix for type in types for suffix in SUFFIXES.get(type, ()))
        yield Check(name, command=command, suffixes=suffixes)


def types_of(config: Config, project: Project) -> Sequence[str]:
    """The types of the project: as configured, else as found."""
    if config.project_type == AUTO:
        return project.types
    return [type.strip().lower() for type in config.project_type.split(",") if type.strip()]


def _found(name: str, project: Project, types: Sequence[str], setting: Setting) -> Iterator[Check]:
    if not types:
        yield Check(name, reason=f"the project's type is not known; set {_key(setting)}")
    for type in types:
        found, label = project.command(name, type), type if len(types) > 1 else ""
        if isinstance(found, Found):
            words, output_fails, nothing = found
            yield Check(name, label, words, "", SUFFIXES.get(type, ()), output_fails, nothing)
        else:
            yield Check(name, label, reason=found.reason)


def _key(setting: Setting) -> str:
    return ".".join(setting.keys)
