"""The text of the configuration file: a new one that explains everything, and one with a value changed."""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import pairwise
from typing import Any, Final

from mdcoord.config import DERIVED, SETTINGS, Config, Setting
from mdcoord.config.files import CONFIG_FILE, Keys
from mdcoord.config.kinds import Choice, Seconds
from mdcoord.errors import ConfigError, InvalidDocument, UsageError
from mdcoord.formats.document import Document
from mdcoord.formats.times import UNITS
from mdcoord.formats.yamltext import emit
from mdcoord.model import Change, Value

_HEAD: Final = f"""\
# {CONFIG_FILE}: the settings of mdcoord, made with the default of each. A key that is a comment
# has no default, or one that follows from others. Durations: 30s, 5m, 1h30m, 7d, or a number of seconds.
# [tool.mdcoord] in pyproject.toml goes before this file, and variables MDCOORD_… before both:
# `mdcoord config --show-origin` shows what is in force, `mdcoord config --check` what is wrong.
"""


def default_text() -> str:
    """A configuration file that says what is so anyway, each setting below its meaning."""
    reasons = meanings()
    defaults = {item.name: item.default for item in fields(Config) if item.metadata}
    sections: dict[str, list[str]] = {}
    for name, setting in SETTINGS.items():
        lines = sections.setdefault(setting.keys[0], [])
        lines += [*(f"  # {line}".rstrip() for line in reasons[name].split("\n"))]
        if isinstance(setting.kind, Choice):
            lines += [f"  # ({setting.kind.expected})"]
        lines += [_entry(setting, defaults[name]), ""]
    return "\n".join([_HEAD, *(f"{name}:\n" + "\n".join(lines) for name, lines in sections.items())])


def meanings() -> dict[str, str]:
    """What each setting is for, by its name: the texts below the attributes of `Config`."""
    import ast
    import inspect

    found: dict[str, str] = {}
    (definition,) = ast.parse(inspect.getsource(Config)).body
    assert isinstance(definition, ast.ClassDef)
    for item, below in pairwise(definition.body):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            text = below.value if isinstance(below, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[item.target.id] = inspect.cleandoc(text.value)
    return found


def value_for(setting: Setting, value: Value, text: str) -> Value:
    """What to write into the file for a value typed as `text`: itself, where the setting takes it.

    Else what the setting takes from the environment (`a, b` for a list). Raises ConfigError.
    """
    if value is None:
        return None
    try:
        setting.kind.read(value)
        return value
    except ValueError:
        pass
    try:
        found = setting.kind.read_text(text)
    except ValueError as error:
        name = ".".join(setting.keys)
        raise ConfigError(f"{name} must be {error}, not {text[:60]!r}", setting=setting.name) from None
    return list(found) if isinstance(found, tuple) else found


def with_value(text: str, keys: Keys, value: Value, where: str = "") -> str:
    """The text of a configuration file with one value changed, and nothing else.

    Comments, order, quotes and line ends stay. Raises ConfigError where the text does not allow it.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    start = _START.match(text)
    head = start[0] if start else ""
    rest = text[len(head) :]
    if head.endswith("-"):
        head += newline
    ended = not rest or rest.endswith("\n")
    fence = f"---{newline}"
    try:
        document = Document.parse(f"{fence}{rest}{'' if ended else newline}{fence}", where=where)
        whole = document.edit(Change(set={keys: value})).text
    except (InvalidDocument, UsageError) as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint, path=where, line=1) from None
    inner = whole[len(fence) : -len(fence)]
    return head + (inner if ended else inner.removesuffix(newline))


_START: Final = re.compile(r"\A\ufeff?(?:(?:[ \t]*(?:#[^\n]*)?\n)*---[ \t]*(?:\r?\n|\Z))?")
"""A byte order mark, and the comments and the line `---` with which a YAML file may begin."""


def _entry(setting: Setting, default: Any) -> str:
    key = setting.keys[-1]
    if default in (None, DERIVED, ()):
        return f"  # {key}:"
    if isinstance(setting.kind, Seconds):
        default = duration_text(default)
    return f"  {key}: {emit.scalar(default)}"


def duration_text(seconds: float) -> str:
    """Seconds as a duration to be read back: `1h30m`."""
    text, rest = "", seconds
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, UNITS[unit])
        text += f"{count:g}{unit}" if count else ""
    return text + (f"{rest:g}s" if rest or not text else "")
