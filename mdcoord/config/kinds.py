"""What the value of a setting may be: an object for each kind of value, which checks and converts it."""

from __future__ import annotations

import re
from typing import Any, Final

from mdcoord.formats.times import duration

LONGEST: Final = 100 * 365 * 86400.0
"""The longest duration of a setting in seconds, a hundred years: times computed with it stay times."""


AUTO: Final = "auto_detect"
"""The command that is found from the project's files."""

OFF: Final = "off"
"""No command at all."""


class Kind:
    """A kind of value. `expected` says in words what is accepted."""

    expected: str

    def read(self, value: Any) -> Any:
        """The setting's value from a value in a file. Raises ValueError."""
        raise NotImplementedError

    def read_text(self, text: str) -> Any:
        """The setting's value from an environment variable. Raises ValueError."""
        return self.read(text)


class Text(Kind):
    """Any text."""

    expected = "a text"

    def read(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(self.expected)
        return value


class Choice(Kind):
    """One of some words, without regard to case. `synonyms` are other words for one of them."""

    def __init__(self, *words: str, **synonyms: str) -> None:
        self.words = {word.lower(): word for word in words} | synonyms
        self.expected = "one of " + ", ".join(words)

    def read(self, value: Any) -> Any:
        found = self.words.get(value.lower()) if isinstance(value, str) else None
        if found is None:
            raise ValueError(self.expected)
        return found


class Flag(Kind):
    """True or false."""

    expected = "true or false"

    def read(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError(self.expected)
        return value

    def read_text(self, text: str) -> Any:
        return self.read({"true": True, "1": True, "false": False, "0": False}.get(text.lower()))


class Whole(Kind):
    """A whole number within bounds."""

    def __init__(self, least: int, most: int = 1_000_000) -> None:
        self.bounds = range(least, most + 1)
        self.expected = f"a whole number from {least} to {most}"

    def read(self, value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or value not in self.bounds:
            raise ValueError(self.expected)
        return value

    def read_text(self, text: str) -> Any:
        return self.read(int(text) if re.fullmatch("[0-9]{1,9}", text) else None)


class Number(Kind):
    """A number within bounds."""

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most
        self.expected = f"a number from {least:g} to {most:g}"

    def read(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(self.expected)
        if not self.least <= value <= self.most:
            raise ValueError(self.expected)
        return float(value)

    def read_text(self, text: str) -> Any:
        return self.read(float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else None)


class Seconds(Kind):
    """A duration, as a number of seconds or as a text with units; not 0 unless `zero`."""

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero
        self.expected = f"{'0 or ' if zero else ''}a number of seconds, or a duration like 30s, 5m, 1h30m, 7d"

    def read(self, value: Any) -> Any:
        seconds = duration(value) if isinstance(value, str) else value
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise ValueError(self.expected)
        if not (0 < seconds <= LONGEST or (self.zero and seconds == 0)):
            raise ValueError(self.expected)
        return float(seconds)


class Texts(Kind):
    """A list of texts; in the environment with commas between them."""

    expected = "a list of texts"

    def read(self, value: Any) -> Any:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(self.expected)
        return tuple(value)

    def read_text(self, text: str) -> Any:
        return tuple(item.strip() for item in text.split(",") if item.strip())


class Command(Kind):
    """A command: a text is for the shell, a list is a program and its arguments; false turns it off."""

    expected = "a command as a text, a list of texts, or off"

    def read(self, value: Any) -> Any:
        if value is False:
            return OFF
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(self.expected)
        return value
