"""`mdcoord status`."""

from __future__ import annotations

from typing import Any

from mdcoord.interfaces.cli.ages import age, left
from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import clean, paint, put, table
from mdcoord.interfaces.cli.warning import located

SHOWN = 10
"""How many lines each part has at most, so that all fits on one screen."""

_KEPT = {
    "memory": "memory only: a restart of the server loses everything",
    "unknown": "unknown: the server does not say what it keeps",
}


@verb("status", example="mdcoord status")
def status(call: Call) -> None:
    """See who does what, what is free, and what needs a look."""
    found = call.workspace().status()
    put(call, found, lambda: _text(found))


def _text(found: dict[str, Any]) -> str:
    parts = [
        _where(found),
        _tasks(found),
        _messages(found),
        _listed("Claims", ("ID", "AGENT", "PROGRESS", "TIME LEFT", "TITLE"), found["claims"], _claim),
        _listed("Agents", ("AGENT", "STATUS", "PRESENCE", "LAST SEEN", "TASKS"), found["agents"], _agent),
        _listed("Cannot be read", ("PROBLEM",), found["unreadable"], _unreadable),
        _listed("Saved after the move (see `mdcoord check`)", ("FILE",), _files(found), _file),
    ]
    return "\n\n".join(filter(None, parts))


def _where(found: dict[str, Any]) -> str:
    who = f", as {found['agent']}" if found["agent"] else ""
    mode = f"Mode: {found['backend']} ({found['reason']}); {found['change']}"
    kept = _KEPT.get(found["durability"], found["durability"])
    place = f"{found['location']}  ({found['backend']}, durability {kept}{who})"
    mirrors = [
        f"Mirror: {one['folder']} on {one['host']}, up to date {age(one['at'])}" for one in found["mirrors"]
    ]
    return "\n".join(map(clean, (place, mode, *mirrors)))


def _tasks(found: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in found["tasks"].items()) or "none"
    lines = [f"Tasks: {clean(counts)}; {found['ready']} ready"]
    lines += [
        clean(f"  {item['task_id']} is not ready: {'; '.join(item['reasons'])}") for item in found["waiting"]
    ]
    if found["dead"]:
        more = f" and {len(found['dead']) - SHOWN} more" if len(found["dead"]) > SHOWN else ""
        lines.append(clean(f"  dead: {', '.join(found['dead'][:SHOWN])}{more} (see `task retry`)"))
    if found["stale"]:
        lines.append(clean(f"  stale: {', '.join(found['stale'])}"))
    return "\n".join(lines)


def _messages(found: dict[str, Any]) -> str:
    return f"Messages: {found['unread']} for you (mdcoord message list --pending)" if found["unread"] else ""


def _listed(title: str, heads: tuple[str, ...], items: list[dict[str, Any]], row: Any) -> str:
    if not items:
        return ""
    lines = table(heads, [row(item) for item in items[:SHOWN]]).split("\n")
    more = [f"  (and {len(items) - SHOWN} more)"] if len(items) > SHOWN else []
    return "\n".join([paint(title, "1"), *(f"  {line}" for line in lines), *more])


def _claim(item: dict[str, Any]) -> tuple[str, ...]:
    progress = item["progress"]
    return (
        item["task_id"],
        item["agent"] or "",
        "" if progress is None else f"{progress:.0%}",
        item["over"] or (left(item["expires_at"]) if item["session"] else "no claim is known here"),
        item["title"] or "",
    )


def _agent(item: dict[str, Any]) -> tuple[str, ...]:
    stale = " (stale)" if item["stale"] else ""
    status = item["status"] or ""
    if item["breaker"] != "CLOSED":
        status += f" (breaker {item['breaker'].lower().replace('_', ' ')})"
    tasks = ", ".join(item["tasks"])
    return (item["agent_id"], status, item["presence"], age(item["last_seen"]) + stale, tasks)


def _files(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"path": path} for path in found["left_behind"]]


def _file(item: dict[str, Any]) -> tuple[str, ...]:
    return (item["path"],)


def _unreadable(item: dict[str, Any]) -> tuple[str, ...]:
    return (located(item["path"], item["line"], item["message"]),)
