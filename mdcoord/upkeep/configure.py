"""The configuration of a project as a file: what is wrong in it, a new one, a value changed in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from mdcoord.backends.addresses import shown
from mdcoord.backends.markdown.fileio import FileIO
from mdcoord.backends.markdown.home import HERE, Home
from mdcoord.backends.markdown.swap import Leftover
from mdcoord.config import SETTINGS, Config, Setting, config_of, load_config, project_folder
from mdcoord.config.files import CONFIG_FILE, Source, sources, yaml_source
from mdcoord.config.problems import problems
from mdcoord.config.write import default_text, value_for, with_value
from mdcoord.errors import AlreadyExists, BackendUnavailable, Busy, ConfigError, UsageError
from mdcoord.formats.document import decode
from mdcoord.layout import state_folder
from mdcoord.model import Value

_LOCK: Final = "workflow-config"
_TRIES: Final = 20


class ConfigFile:
    """The file `.claude/workflow-config.yml` of the project that the workspace at `root` belongs to.

    People edit it in their editors: a value is changed in the very text that is there, and a save that comes
    in between is never lost.
    """

    def __init__(self, root: Path) -> None:
        self.project = project_folder(root)
        self.path = self.project / CONFIG_FILE
        self._root = root

    def problems(self, environ: Mapping[str, str]) -> list[ConfigError]:
        """Everything that is wrong in the configuration, also in pyproject.toml and the environment."""
        return problems(self.project, environ)

    def in_force(self, environ: Mapping[str, str], *, lenient: bool = False) -> Config:
        """The settings that all sources make together. Raises ConfigError, unless `lenient`."""
        return load_config(self._root, environ, lenient=lenient)

    def lives_at(self) -> str:
        """The address that the workspace remembers, as people are told of it; "" where it has none."""
        with suppress(BackendUnavailable):
            return shown(Home.of(state_folder(self._root)).place().removeprefix(HERE))
        return ""

    def write(self) -> Path:
        """Make the file, with every setting, its meaning and its default. Raises AlreadyExists, Busy."""
        files = self._files()
        with files.lock(_LOCK):
            for _ in range(_TRIES):
                if self._put(files, None, default_text()):
                    return self.path
                if self.path.exists():
                    raise AlreadyExists(
                        f"{self.path} is there already and stays as it is",
                        hint="change a value with `mdcoord config set KEY VALUE`, or in an editor",
                        path=str(self.path),
                    )
        raise self._busy()

    def set(self, name: str, value: Value, *, typed: str = "") -> Config:
        """Change one setting in the file, which is made when missing, and return what the files say now.

        `name` is a key as in the file (`tasks.retry_limit`); None as value means the default again; `typed`
        is the value as it was typed, for lists. Comments and everything else stay byte for byte. Raises
        UsageError, ConfigError for a value that does not fit (then nothing is written), Busy.
        """
        setting = _setting(name)
        kept = value_for(setting, value, typed or str(value))
        files = self._files()
        with files.lock(_LOCK):
            for _ in range(_TRIES):
                before = self._content(files)
                text = decode(before or b"", where=str(self.path))
                self._source(text)
                changed = with_value(text, setting.keys, kept, str(self.path))
                config = self._checked(text, changed)
                if changed == text or self._put(files, before, changed):
                    return config
        raise self._busy()

    def _files(self) -> FileIO:
        files = FileIO(str(self.path.parent), str(state_folder(self._root)))
        files.prepare()
        return files

    def _content(self, files: FileIO) -> bytes | None:
        try:
            return files.read(str(self.path))
        except FileNotFoundError:
            return None

    def _put(self, files: FileIO, before: bytes | None, text: str) -> bool:
        """Put a new text in place of what was read (None: nothing); False when that is gone or another."""
        path = str(self.path)
        try:
            if before is not None:
                return files.swap(path, text.encode(), before)
            files.make_folder(str(self.path.parent))
            files.create(path, text.encode())
        except (FileExistsError, FileNotFoundError):
            return False
        except Leftover as leftover:
            if files.leftover(str(leftover)) in (b"", text.encode(), before):
                files.discard(str(leftover))  # of a writer that was killed; all of it is safe elsewhere
            else:
                files.keep(str(leftover), path)
            return False
        return True

    def _checked(self, before: str, after: str) -> Config:
        """The configuration with a new text. Raises ConfigError for what was not wrong before."""
        known: list[ConfigError] = []
        config_of(self._sources(before), {}, known.append)
        wrong: list[ConfigError] = []
        config = config_of(self._sources(after), {}, wrong.append)
        names = {error.details.get("setting") for error in known}
        for error in wrong:
            if error.details.get("setting") not in names:
                raise error
        return config

    def _sources(self, text: str) -> Iterator[Source]:
        """The configuration files, with this text instead of what is on the disk."""
        yield self._source(text)
        others = sources(self.project, _pass_over)
        yield from (source for source in others if source.path != str(self.path))

    def _source(self, text: str) -> Source:
        return yaml_source(str(self.path), text.removeprefix("\ufeff"))

    def _busy(self) -> Busy:
        return Busy(f"{self.path} is being saved again and again", hint="try again", path=str(self.path))


def _pass_over(error: ConfigError) -> None:
    """What is wrong elsewhere is not to be told here."""


def _setting(name: str) -> Setting:
    """The setting with this key. Raises UsageError."""
    by_key = {".".join(setting.keys): setting for setting in SETTINGS.values()}
    if name in by_key:
        return by_key[name]
    short = [key for key in by_key if key.partition(".")[2] == name]
    near = short or get_close_matches(name, by_key, 1)
    hint = f"did you mean {near[0]}?" if near else "`mdcoord config` lists all"
    raise UsageError(f"{name[:60]!r} is no setting", hint=hint)
