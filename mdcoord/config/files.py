"""The configuration files as entries with their lines. Lines are found by a plain look at the text.

The parsers tell values, not places; a configuration is a few lines of `section:` and `key: value`, so a
look at the beginning of each line finds them. In the rare other form (`tasks: {retry_limit: 3}`) an entry
has its section's line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mdcoord.errors import ConfigError, InvalidDocument

if TYPE_CHECKING:
    from pathlib import Path

Keys = tuple[str, ...]

CONFIG_FILE: Final = ".claude/workflow-config.yml"
"""The configuration, relative to the project folder."""

_MAX_BYTES = 1 << 20
_TOML_TABLE = "tool.mdcoord"


Refuse = Callable[[ConfigError], None]
"""What to do about what cannot be read; when it returns, that is passed over."""


class Place(NamedTuple):
    """Where a setting was made: a file and a line (from 1), or an environment variable (line 0)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source

    def error(self, message: str, hint: str = "", **details: Any) -> ConfigError:
        """The error to raise about this place."""
        where = {"path": self.source, "line": self.line} if self.line else {"variable": self.source}
        return ConfigError(f"{self}: {message}", hint=hint, **where, **details)


class Source(NamedTuple):
    """One file: its path, its content, and the line of each key."""

    path: str
    content: dict[str, Any]
    lines: dict[Keys, int]

    def place(self, keys: Keys) -> Place:
        """Where a key is, or else the nearest key that it is in."""
        known = (self.lines.get(keys[:length]) for length in range(len(keys), 0, -1))
        return Place(self.path, next((line for line in known if line), 1))


def refuse(error: ConfigError) -> None:
    """Raise it: what is done about an error where nobody says otherwise."""
    raise error


def sources(project: Path, refuse: Refuse = refuse) -> Iterator[Source]:
    """The configuration files of a project that exist, the weakest first. Raises ConfigError."""
    for path, read in ((project / CONFIG_FILE, yaml_source), (project / "pyproject.toml", _toml)):
        try:
            data = _content(path)
            if data is not None and (read is not _toml or _TOML_TABLE.encode() in data):
                yield read(str(path), _text(path, data))
        except ConfigError as error:
            refuse(error)


def _content(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}", path=str(path), line=1) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: it is larger than {_MAX_BYTES >> 20} MiB", path=str(path), line=1)
    return data


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Place(str(path), line).error("it is not UTF-8", "save the file as UTF-8") from None


def yaml_source(path: str, text: str) -> Source:
    """The text of a YAML file as a source. Raises ConfigError with its line."""
    text = text.replace("\r\n", "\n")
    text = re.sub(r"\A((?:[ \t]*(?:#.*)?\n)*)---[ \t]*(?=\n|\Z)", r"\1", text)
    marker = re.search(r"^(?:---|\.\.\.)(?=\s|\Z)", text, re.MULTILINE)
    if marker:
        line = text.count("\n", 0, marker.start()) + 1
        raise Place(path, line).error("there is more than one YAML document", "keep everything in one")
    try:
        content = _fields_without_comments(text) or _fields(text)
    except InvalidDocument as error:
        line = min(max(1, error.details["line"] - 1), text.rstrip("\n").count("\n") + 1)
        raise Place(path, line).error(error.message.partition(": ")[2], error.hint) from None
    return Source(path, content, _yaml_lines(text))


def _fields(text: str) -> dict[str, Any]:
    """The file read as the front matter of a document: the same limits and errors, one line further down."""
    from mdcoord.formats.document import Document

    return Document.parse("---\n" + text + "\n" * (not text.endswith("\n")) + "---\n").fields


# Most projects have no configuration: `re` compiles each when it is first used.
_VALUE = r"""(?:"[^"\\]*"|'[^']*'|[^\s'"#|>&*!{}[\]][^'"#]*)"""
_CODE = rf" *(?:[\w-]+:(?: +{_VALUE})?|- +{_VALUE})"
"""A key, a key with its value or an item of a list, on one line."""


def _fields_without_comments(text: str) -> dict[str, Any] | None:
    """The fields of a file of which each line is clear by itself, None when it takes more than that.

    Documents without comments and blank lines are read without PyYAML, the import of which takes 17 ms: a
    command would wait for its configuration longer than for its work.
    """
    code = []
    for line in text.split("\n"):
        bare = "" if line.lstrip(" ").startswith("#") else line.partition(" #")[0].rstrip(" ")
        if re.fullmatch(_CODE, bare):
            code.append(bare)
        elif bare:
            return None
    try:
        return _fields("\n".join(code))
    except InvalidDocument:
        return None  # its place is to be told from the whole text


def _toml(path: str, text: str) -> Source:
    import tomllib

    try:
        content: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise Place(path, line).error(f"it is not TOML: {error}") from error
    lines = {keys[2:]: line for keys, line in _toml_lines(text).items() if keys[:2] == ("tool", "mdcoord")}
    for key in _TOML_TABLE.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return Source(path, content if isinstance(content, dict) else {}, lines)


_YAML_KEY = r"""( *)("[^"]*"|'[^']*'|[^\s#'"\[{:-][^:#]*?)\s*:(?=\s|$)"""
_TOML_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_TOML_KEY = rf"""\s*(\[?)\s*({_TOML_NAME}(?:\s*\.\s*{_TOML_NAME})*)\s*(?:\]|=)"""


def _yaml_lines(text: str) -> dict[Keys, int]:
    lines: dict[Keys, int] = {}
    above: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if found := re.match(_YAML_KEY, line):
            indent = len(found[1])
            above = [key for key in above if key[0] < indent]
            above.append((indent, found[2].strip("\"'")))
            lines.setdefault(tuple(key for _, key in above), number)
    return lines


def _toml_lines(text: str) -> dict[Keys, int]:
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.split("\n"), 1):
        if found := re.match(_TOML_KEY, line):
            keys = tuple(name.strip("\"'") for name in re.findall(_TOML_NAME, found[2]))
            if found[1]:
                table, keys = keys, ()
            for length in range(len(table), len(table + keys) + 1):
                lines.setdefault((table + keys)[:length], number)
    return lines
