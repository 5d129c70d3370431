"""What the labels of the bold-field format mean: which field each names, and how its value is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from mdcoord.formats.boldtext import Label, named
from mdcoord.formats.labels import (
    parse_duration,
    parse_percent,
    parse_progress,
    parse_timestamp,
    parse_value,
)

Fields = dict[str, Any]
Reader = Callable[[str], Any]
"""Reads a value, or raises ValueError for one that it does not understand."""

# ---------------------------------------------------------------- values


def _text(value: str) -> str:
    text = parse_value(value)
    return text if isinstance(text, str) and value.startswith("`") else _known(value)


def _known(value: str) -> str:
    if not value:
        raise ValueError(value)
    return value


def _status(value: str) -> str:
    """`BUSY` -> busy, `In Progress` -> in_progress, `complete` -> completed; no remark in parentheses."""
    words = re.findall(r"[^\W_]+", re.sub(r"\([^()]*\)", "", value.lower()))
    status = "_".join(words)
    return _STATUSES.get(status, _known(status))


_STATUSES = {
    "complete": "completed",
    "done": "completed",
    "canceled": "cancelled",
    "inprogress": "in_progress",
}


def _moment(value: str) -> str:
    text = re.sub(r"\([^()]*\)$", "", value).strip(" `")
    date = re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    return _known(text if date else parse_timestamp(text) or "")


def _seconds(value: str) -> Any:
    return _number(parse_duration(value))


def _number(value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(value)
    return value


def _int(value: str) -> int:
    number = parse_value(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(value)
    return number


def _percents(value: str) -> Any:
    share = parse_percent(value)
    number = _number(parse_value(value)) if share is None else round(share * 100, 8)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _yes_or_no(value: str) -> bool:
    found = {"yes": True, "no": False}.get(value.lower(), parse_value(value.lower()))
    if not isinstance(found, bool):
        raise ValueError(value)
    return found


def _names(value: str) -> list[str]:
    listed = parse_value(value)
    if isinstance(listed, list):
        return [str(entry) for entry in listed]
    return [entry.strip().strip("`") for entry in _known(value).split(",") if entry.strip()]


NOTHING_WORDS: Final = frozenset(["n/a", "none", "null", "-", "–", "—"])
"""How people write that there is nothing, in lower case."""


class Table:
    """Which label means which field, and how its value is read."""

    def __init__(self, **fields: tuple[Reader, str]) -> None:
        """Each field by its name: its reader, and the labels (as keys) that mean it beside its own name."""
        self._labels = {
            label: (field, reader)
            for field, (reader, labels) in fields.items()
            for label in (field, *labels.split())
        }

    def __contains__(self, key: str) -> bool:
        return key in self._labels

    def read(self, label: Label, into: Fields) -> None:
        """Put a known label's value under its field, if it is understood and the first one of its kind."""
        field, reader = self._labels[label.key]
        nothing = label.value.lower() in NOTHING_WORDS
        try:
            if reader in _SPREAD:
                merge(into, {} if nothing else reader(label.value))
            else:
                into.setdefault(field, None if nothing else reader(label.value))
        except ValueError:
            return


def merge(into: Fields, values: Mapping[str, Any]) -> None:
    """Add what is not known yet, mappings entry by entry."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.setdefault(key, {}), dict):
            merge(into[key], value)
        elif not isinstance(value, dict):
            into.setdefault(key, value)


def _workload(value: str) -> Fields:
    return {"metrics": {"workload_pct": _percents(value)}}


def _progress(value: str) -> Fields:
    share, done, total = parse_progress(value)
    return present(progress=share, metadata=present(step=done, total_steps=total))


def _project_progress(value: str) -> Fields:
    share, done, total = parse_progress(value)
    return present(progress=share, steps_done=done, steps_total=total)


def _success(value: str) -> Fields:
    share, done, total = parse_progress(value)
    return present(success_rate=share, succeeded=done, total_tasks=total)


def _failures(value: str) -> Fields:
    _, done, total = parse_progress(value)
    return present(failure_count=done, threshold=total) or {"failure_count": _int(value)}


def _creator(value: str) -> Fields:
    creator, task = named(value)
    return present(created_by=_known(creator), task_id=task or None)


_SPREAD = frozenset([_workload, _progress, _project_progress, _success, _failures, _creator])
"""Readers whose value goes into several fields."""


def present(**values: Any) -> Fields:
    return {key: value for key, value in values.items() if value is not None and value != {}}


# ---------------------------------------------------------------- labels

_TIMES: Final = {
    "created_at": (_moment, "created"),
    "assigned_at": (_moment, "assigned"),
    "started_at": (_moment, "started"),
    "completed_at": (_moment, "completed"),
    "not_before": (_moment, ""),
    "eta": (_moment, ""),
}
_UPDATED = (_moment, "updated last_update")
TASK = Table(
    task_id=(_text, ""),
    project_id=(_text, "project"),
    title=(_text, ""),
    type=(_text, ""),
    status=(_status, ""),
    priority=(_int, ""),
    assigned_agent=(_text, "assigned_to agent"),
    needs=(_names, "required_capabilities"),
    depends_on=(_names, ""),
    conflicts_with=(_names, ""),
    attempt=(_int, ""),
    retry_limit=(_int, ""),
    updated_at=(_moment, "last_updated updated"),
    progress=(_progress, "current"),
    duration_sec=(_seconds, "duration"),
    remaining_sec=(_seconds, "remaining"),
    instructions=(_text, ""),
    error=(_text, ""),
    **_TIMES,
)
ENTRY = Table(
    task_id=(_text, ""),
    project_id=(_text, "project"),
    title=(_text, ""),
    status=(_status, ""),
    progress=(_progress, "current"),
    duration_sec=(_seconds, "duration"),
    success=(_yes_or_no, ""),
    **_TIMES,
)
AGENT = Table(
    agent_id=(_text, ""),
    agent_type=(_text, "type"),
    status=(_status, ""),
    last_updated=_UPDATED,
    last_heartbeat=(_moment, "heartbeat"),
    registered_at=(_moment, "registered"),
    metrics=(_workload, "workload"),
    capabilities=(_names, ""),
    specializations=(_names, ""),
    host=(_text, ""),
    pid=(_int, ""),
    session=(_text, ""),
    max_concurrent_tasks=(_int, ""),
    notes=(_text, ""),
)
AGENT_METRICS = Table(
    workload_pct=(_percents, "workload"),
    success_rate=(_success, ""),
    avg_duration_sec=(_seconds, "average_duration avg_duration"),
    total_tasks=(_int, "total_tasks_24h"),
    failed_tasks=(_int, ""),
    succeeded=(_int, ""),
)
BREAKER = Table(
    state=(_status, ""),
    failure_count=(_failures, "failures"),
    threshold=(_int, ""),
    last_failure=(_moment, ""),
)
CONTEXT = Table(
    context_id=(_text, ""),
    project_id=(_text, "project"),
    domain=(_text, ""),
    created_by=(_creator, ""),
    created_at=(_moment, "created"),
    last_updated=_UPDATED,
)
METRICS = Table(metrics_type=(_text, ""), last_updated=_UPDATED)
PROJECT = Table(
    project_id=(_text, "project"),
    phase=(_text, ""),
    status=(_status, ""),
    last_updated=_UPDATED,
    progress=(_project_progress, "current"),
    blockers=(_names, ""),
)
MESSAGE = Table(
    message_id=(_text, ""),
    type=(_text, ""),
    subject=(_text, ""),
    to=(_text, ""),
    created_at=(_moment, "created"),
    in_reply_to=(_text, ""),
    **{"from": (_text, "")},
)
EVENTS = Table(channel=(_text, ""), last_updated=_UPDATED)
