"""What views show that follows from a record's fields: shapes to rely on, shares, durations, estimates.

Records are edited by hand: every function takes any JSON value and shows what it cannot use as it is. There
is no clock here: "until now" is the record's last update.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mdcoord.formats.labels import (
    NOTHING,
    format_duration,
    format_percent,
    format_progress,
    label_for,
    seconds_between,
)
from mdcoord.formats.markdown import one_line

Fields = Mapping[str, Any]


class Row(dict[str, Any]):
    """A mapping whose missing keys are None, so that a template may ask for what a person left out."""

    def __missing__(self, key: str) -> None:
        return None


def mapping(value: Any) -> Row:
    """The value as a mapping; empty where a person wrote something else."""
    return Row(value) if isinstance(value, Mapping) else Row()


def listed(value: Any) -> list[Any]:
    """The value as a list: nothing is an empty one, a single value a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def rows(value: Any) -> list[Row]:
    """The value as a list of mappings; a bare text in it is a title and a message."""
    entries = listed(value)
    return [
        Row(e) if isinstance(e, Mapping) else Row(title=e, message=e) for e in entries if e not in (None, {})
    ]


def progress(fields: Fields) -> str:
    """`35% (3500/10000 steps)` from `progress` and `metadata`, or from `steps_done` and `steps_total`."""
    share = fields.get("progress")
    if number_of(share) is None:
        return percent(share)
    counts = mapping(fields.get("metadata"))
    done, total = counts["step"], counts["total_steps"]
    if fields.get("steps_total") is not None:
        done, total = fields.get("steps_done"), fields["steps_total"]
    if number_of(done) is None or number_of(total) is None:
        return percent(share)
    return format_progress(share, done, total)


def success_rate(metrics: Mapping[str, Any]) -> str:
    """`100% (24/24)` from `success_rate`, `succeeded` and `total_tasks` of an agent's metrics."""
    share, done, total = (metrics.get(key) for key in ("success_rate", "succeeded", "total_tasks"))
    if number_of(done) is None or number_of(total) is None or number_of(share) is None:
        return percent(share)
    return format_progress(share, done, total, unit="")


def duration(fields: Fields, now: Any = None) -> str:
    """The time from `started_at` to `completed_at`, `now` or `updated_at`; without these `duration_sec`."""
    seconds = _elapsed(fields, now)
    return human_duration(fields.get("duration_sec") if seconds is None else int(seconds))


def remaining(fields: Fields) -> str:
    """An estimate for work that goes on: until `eta`, else at the speed so far, else `remaining_sec`."""
    if fields.get("completed_at") or fields.get("status") not in ("in_progress", None):
        return NOTHING
    seconds = seconds_between(fields.get("updated_at"), fields.get("eta")) or _at_this_speed(fields)
    if number_of(seconds) is None:
        seconds = number_of(fields.get("remaining_sec"))
    if seconds is None:
        return NOTHING
    return "~" + format_duration(round(seconds / 60) * 60 if seconds >= 600 else round(seconds))


def _at_this_speed(fields: Fields) -> float | None:
    share = number_of(fields.get("progress"))
    elapsed = _elapsed(fields, None) if share and 0 < share < 1 else None
    return elapsed * (1 - share) / share if elapsed and share else None


def human_duration(seconds: Any) -> str:
    """Seconds as `4h 30m`; anything that is no number as it is."""
    return one_line(seconds) if number_of(seconds) is None else format_duration(seconds)


def percent(share: Any) -> str:
    """A share of one as `35%`; anything that is no number as it is."""
    return one_line(share) if number_of(share) is None else format_percent(share)


def pct(value: Any) -> str:
    """A number of percents as `85%`; anything that is no number as it is."""
    return one_line(value) if number_of(value) is None else format_percent(value / 100)


def bar(share: Any, width: int = 20) -> str:
    """A share of one as a bar of `width` characters."""
    filled = round(min(max(number_of(share) or 0, 0), 1) * width)
    return "#" * filled + "-" * (width - filled)


def heading(value: Any) -> str:
    """A name as words of a heading: `training-config` -> `Training Config`."""
    text = one_line(value)
    return (
        label_for(re.sub(r"[-_\s]+", "_", text))
        if re.fullmatch(r"[a-z0-9]+([-_\s]+[a-z0-9]+)*", text)
        else text
    )


def log_line(entry: Mapping[str, Any]) -> str:
    """`[2025-10-12 14:30:00] message`."""
    at = re.sub(r"(?<=\d)T(\d\d:\d\d:\d\d)[.,\d]*Z$", r" \1", one_line(entry.get("at")))
    return f"[{at}] {one_line(entry.get('message'))}"


def _elapsed(fields: Fields, now: Any) -> float | None:
    return seconds_between(
        fields.get("started_at"), fields.get("completed_at") or now or fields.get("updated_at")
    )


def number_of(value: Any) -> float | None:
    """The value if it is a number that a person could have meant, else None."""
    return (
        value
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
        else None
    )
