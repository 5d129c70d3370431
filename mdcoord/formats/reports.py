"""What a command tells about its task while it runs: the lines of its output that begin with two colons.

```
::progress 0.35 step=3500 loss=0.42      how far it is (0.35, 35% or 3500/10000), and figures about it
::log the second half began              a line for the task's log
::event training checkpoint_saved step=3500
::accept 2                               an acceptance criterion that is met, by its number or its text
::lacks gpu                              what a worker must be able to do for it; exit with 75 then
::result {"path": "final.pt"}            what the task gave, any JSON value; the last one counts
```

Values are JSON where they are JSON, else text; quotes as in a shell keep blanks together. Every other line is
the command's own output, also one like `::warning file=a.py::…` that is meant for somebody else.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mdcoord.errors import UsageError
from mdcoord.formats.typed import share_of, steps_of, strict_json, value_of

MARK: Final = "::"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the task is (0 to 1; None: it does not say), and facts about it."""

    share: float | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the task's log."""

    message: str


@dataclass(frozen=True, slots=True)
class Publish:
    """An event to publish."""

    channel: str
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Accept:
    """Acceptance criteria that are met, each by its number or its text."""

    which: str


@dataclass(frozen=True, slots=True)
class Lacks:
    """Capabilities that the task needs and this worker has not."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What the task gave."""

    value: Any


Report = Progress | Log | Publish | Accept | Lacks | Result


def report_of(line: str) -> Report | None:
    """The report that a line of output is, None for any other output.

    Raises UsageError for a line that begins as a report and cannot be understood as one.
    """
    if not line.startswith(MARK):
        return None
    word, _, rest = line[len(MARK) :].partition(" ")
    read = _READERS.get(word)
    if read is None:
        _refuse_slip(word)
        return None
    return read(rest.strip())


def _refuse_slip(word: str) -> None:
    """Raise UsageError for a word that is nearly one of ours; all others are for somebody else."""
    from difflib import get_close_matches

    if near := get_close_matches(word, _READERS, 1, 0.75):
        raise _wrong(word, f"did you mean {MARK}{near[0]}?")


def _progress(rest: str) -> Progress:
    words = _words(rest)
    if not words:
        raise _wrong("progress", "say how far it is: ::progress 0.35 step=3500")
    if "=" in words[0]:
        return Progress(None, _facts("progress", words))
    share = share_of(words[0])
    if share is None:
        raise _wrong("progress", f"{words[0][:40]!r} is no progress from 0 to 1; try 0.35, 35% or 3500/10000")
    return Progress(share, {**steps_of(words[0]), **_facts("progress", words[1:])})


def _log(rest: str) -> Log:
    if not rest:
        raise _wrong("log", "there is no text")
    return Log(rest)


def _event(rest: str) -> Publish:
    words = _words(rest)
    if len(words) < 2 or "=" in words[0] + words[1]:
        raise _wrong("event", "name a channel and an event: ::event training checkpoint_saved step=3500")
    return Publish(words[0], words[1], _facts("event", words[2:]))


def _accept(rest: str) -> Accept:
    if not rest:
        raise _wrong("accept", "say which criterion is met, by its number or its text: ::accept 2")
    return Accept(rest)


def _lacks(rest: str) -> Lacks:
    capabilities = tuple(rest.replace(",", " ").split())
    if not capabilities:
        raise _wrong("lacks", "say what is missing: ::lacks gpu")
    return Lacks(capabilities)


def _result(rest: str) -> Result:
    try:
        return Result(strict_json(rest))
    except ValueError:
        raise _wrong("result", 'it is not JSON, as in ::result {"path": "final.pt"}') from None


_READERS: Final[dict[str, Callable[[str], Report]]] = {
    "progress": _progress,
    "log": _log,
    "event": _event,
    "accept": _accept,
    "lacks": _lacks,
    "result": _result,
}


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()  # a quote without its other half is a character like any other


def _facts(word: str, pairs: Iterable[str]) -> dict[str, Any]:
    facts = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise _wrong(word, f"{pair[:40]!r} is not name=value")
        facts[name] = value_of(value)
    return facts


def _wrong(word: str, why: str) -> UsageError:
    return UsageError(f"the line {MARK}{word} is not understood: {why}", hint="it is passed on as output")
