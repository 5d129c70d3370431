"""Words and values as people read them, and back.

A field is written for people as `**Label**: value` on one line. `label_for` and `key_for` translate its name,
`format_value` and `parse_value` its value: any JSON value fits on one line and comes back equal. The other
functions are the human forms of known fields (a share of one as `35%`, seconds as `4h 30m`), which
only those who know the field may read back.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

NOTHING: Final = "N/A"
"""How "no value" (null) is written for people."""

YES: Final = "✅"
NO: Final = "❌"

_WRITTEN_IN_CAPITALS = """
    ai api ci cli cpu csv db eta gb gpu html http id ip json kb llm lr mb mcp md os pid pr ram rss sha sql ssd
    tb tcp tpu ttl ui uri url utc uuid vm vps yaml
"""
_ACRONYMS = frozenset(_WRITTEN_IN_CAPITALS.split())

# ---------------------------------------------------------------- names


@lru_cache(maxsize=4096)
def label_for(key: str) -> str:
    """The label that people read: `gpu_memory` -> `GPU Memory`, `samples_per_sec` -> `Samples/sec`.

    A key that is not plain words joined by `_` is written verbatim in back-ticks (as a JSON string in them
    where even that could be misread), so that `key_for(label_for(key)) == key` for every text.
    """
    label = _titled(key)
    return label if _PLAIN_KEY.fullmatch(key) and key_for(label) == key else _quoted_key(key)


def key_for(label: str) -> str:
    """The field that a label names: `Last Updated` -> `last_updated`, `Samples/sec` -> `samples_per_sec`."""
    label = label.strip()
    if len(label) > 2 and label[0] == label[-1] == "`":
        inner = label[1:-1]
        value = _from_json(inner) if inner[0] == '"' else inner
        return value if isinstance(value, str) else inner
    words = label.lower().replace("/", " per ").replace("%", " pct ")
    return "_".join(_WORD.findall(words)) or label


_WORD = re.compile(r"[^\W_]+")
_PLAIN_KEY = re.compile(r"[^\W_]+(_[^\W_]+)*")
_VERBATIM_KEY = r"[^\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\"`*<>\\]+"


def _titled(key: str) -> str:
    label = ""
    words = iter(key.split("_"))
    for word in words:
        following = next(words, "") if word == "per" and label else ""
        if following:
            label += "/" + (following.upper() if following in _ACRONYMS else following)
        else:
            label += " " + (word.upper() if word in _ACRONYMS else word[:1].upper() + word[1:])
    return label.lstrip()


def _quoted_key(key: str) -> str:
    if all(re.fullmatch(_VERBATIM_KEY, word) for word in key.split(" ")):
        return f"`{key}`"
    text = json.dumps(key)
    for risky in "`*<>":
        text = text.replace(risky, f"\\u{ord(risky):04x}")
    return f"`{text}`"


# ---------------------------------------------------------------- values


def format_value(value: Any) -> str:
    """Any JSON value on one line, so that `parse_value` gives it back equal and of the same type.

    Text is written as it is unless it would read as something else (or is not one clean line): then as a JSON
    string. A file path is written as inline code. Lists and mappings are one-line JSON.
    """
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return _format_text(value)
    if isinstance(value, bool):
        return YES if value else NO
    return repr(value) if isinstance(value, int | float) else one_line_json(value)


def parse_value(text: str) -> Any:
    """The value that a person (or `format_value`) wrote.

    A number, ✅/❌ (also true/false), N/A, inline code, JSON text, list or mapping; else the text itself.

    Numbers with a unit (`23.1 GB`, `35%`) are text: only who knows the field knows what they mean.
    """
    text = text.strip()
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    first = text[:1]
    if first in _DIGITS and _NUMBER.fullmatch(text):
        return _number(text)
    if first == "`" and len(text) > 2 and text[-1] == "`" and "`" not in text[1:-1]:
        return text[1:-1]
    if first in _JSON_STARTS:
        value = _from_json(text)
        return text if value is None else value
    return text


def one_line_json(value: Any) -> str:
    """JSON on one line that a Markdown reader leaves alone: no line break of any kind, no comment mark."""
    return guard_json(json.dumps(value, ensure_ascii=False))


def guard_json(text: str) -> str:
    """Escape in JSON text what would mean something outside of it (all of it can only be inside strings)."""
    text = re.sub(_UNSAFE_IN_JSON, lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.replace("<!--", "\\u003c!--").replace("-->", "--\\u003e")


_CONSTANTS: dict[str, Any] = {NOTHING: None, "n/a": None, YES: True, NO: False, "true": True, "false": False}
_DIGITS = frozenset("-0123456789")
_JSON_STARTS = frozenset('"[{')
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_UNSAFE_IN_JSON = r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]"
_NOT_ONE_LINE = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|<!--|-->"
_PATH = (
    r"(~|\.{0,2})/[\w.@+=/-]+"  # /a, ./a, ../a, ~/a
    r"|[\w.@+=-]+(/[\w.@+=-]+)*/([\w.@+=-]*[\w@+=-]\.[A-Za-z]\w*)?"  # a folder with its slash, a/b.ext
)


def _format_text(text: str) -> str:
    if not text or re.search(_NOT_ONE_LINE, text) or text != text.strip() or parse_value(text) is not text:
        return one_line_json(text)
    return f"`{text}`" if "/" in text and len(text) <= 300 and re.fullmatch(_PATH, text) else text


def _number(text: str) -> Any:
    try:
        if text.lstrip("-").isdigit():
            return int(text)
        value = float(text)
    except ValueError:  # more digits than Python reads: nobody's number
        return text
    return text if value in (float("inf"), float("-inf")) else value


def _from_json(text: str) -> Any:
    """The JSON value, or None where the text is not JSON (callers never pass a bare null)."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> Any:
    raise ValueError(name)


# ---------------------------------------------------------------- human forms of known fields


def format_percent(share: float) -> str:
    """A share of one: `0.35` -> `35%`, `0.964` -> `96.4%`."""
    return f"{_trimmed(share * 100.0)}%"


def parse_percent(text: str) -> float | None:
    """`35%` -> 0.35 (also `~35 %`); None where the text is not one percentage."""
    match = _short(_PERCENT, text)
    return round(float(match[1]) / 100, 10) if match else None


def format_progress(share: float | None, done: Any = None, total: Any = None, unit: str = " steps") -> str:
    """`35% (3500/10000 steps)`; without the counts where one is missing; N/A without a share."""
    if share is None:
        return NOTHING
    counted = done is not None and total is not None
    return format_percent(share) + (f" ({done}/{total}{unit})" if counted else "")


def parse_progress(text: str) -> tuple[float | None, int | None, int | None]:
    """Share, done and total of `35% (3500/10000 steps)`, `100% (24/24)`, `0/3` or `35%`.

    None for what is not there: a share that the writer did not say is not computed.
    """
    match = _short(_PROGRESS, text)
    if not match or not any(match.groups()):
        return None, None, None
    share, done, total = match.groups()
    return (
        parse_percent(share) if share else None,
        int(done) if done else None,
        int(total) if total else None,
    )


def format_duration(seconds: float) -> str:
    """Seconds as people say them: 16200 -> `4h 30m`, 300 -> `5m`, 93784 -> `1d 2h 3m 4s`, 0.5 -> `0.5s`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    whole, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(whole), 60)
    days, hours = divmod(hours, 24)
    text = f"{f'{days}d ' if days else ''}{f'{hours}h ' if hours else ''}{f'{minutes}m ' if minutes else ''}"
    return f"{text}{_trimmed(float(rest))}s" if rest or not text else text[:-1]


def parse_duration(text: str) -> int | float | None:
    """Seconds of `4h 30m`, `~8h 30m`, `36m 10s`, `1d`, `0.5s`; None where the text is no duration."""
    match = _short(_DURATION, text)
    if not match or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return int(total) if total.is_integer() else round(total, 3)


def parse_timestamp(text: str) -> str | None:
    """An ISO 8601 moment as UTC text; None where the text is none.

    What already ends in `Z` stays as written; an offset is converted (12:00+02:00 -> 10:00:00.000Z); a moment
    without a zone is taken as UTC, as all times of a workspace are. A date alone is no moment.
    """
    text = text.strip()
    if not re.fullmatch(_MOMENT, text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if text.endswith("Z") and "T" in text:
        return text
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: Any, end: Any) -> float | None:
    """Seconds from one timestamp to a later one; None where one is missing, unreadable or out of order."""
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    try:
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):  # TypeError: one has a zone, the other has none
        return None
    return seconds if seconds >= 0 else None


def _short(pattern: str, text: str) -> re.Match[str] | None:
    """A match of the whole text; a long one is none of these, and would keep the patterns busy for hours."""
    text = text.strip()
    return re.fullmatch(pattern, text) if len(text) <= 80 else None


# Most commands parse none of these: `re` compiles each when it is first used.
_PERCENT = r"~?\s*(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)\s*%"
_PROGRESS = (
    r"(~?\s*-?[0-9]{1,15}(?:\.[0-9]{1,15})?\s*%)?\s*"
    r"(?:\(?\s*([0-9]{1,15})\s*/\s*([0-9]{1,15})(?:\s+[\w ]*)?\)?)?"
)
_DURATION = (
    r"~?\s*(?:([0-9]{1,9})\s*d)?\s*(?:([0-9]{1,9})\s*h)?\s*(?:([0-9]{1,9})\s*m)?"
    r"\s*(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*s)?"
)
_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6})?)?"
    r"\s?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def _trimmed(number: float) -> str:
    """A number for people: at most six decimals, no trailing zeros."""
    if number.is_integer():
        return str(int(number))
    return f"{number:.6f}".rstrip("0").rstrip(".")
