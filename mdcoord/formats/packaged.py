"""The packaged templates once more, as plain functions: the same text without a template engine.

Importing Jinja and compiling a template takes 40 ms, and agents start this program thousands of times a day:
so the packaged views are made here in microseconds. `templates/*.md.j2` stay the readable form, and what a
workspace copies to make its own; a test renders random records through both and compares.

A view is a sequence of blocks with one blank line between; a block says which fields it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from mdcoord.formats.derived import (
    Fields,
    Row,
    bar,
    duration,
    heading,
    human_duration,
    listed,
    log_line,
    mapping,
    pct,
    progress,
    remaining,
    rows,
    success_rate,
)
from mdcoord.formats.labels import label_for
from mdcoord.formats.markdown import block, criterion, is_table, item, json_block, one_line, reference, table

LAST: Final = 20
"""How many log lines and samples a view shows, the newest; the front matter has them all, oldest first."""


class Block(NamedTuple):
    """A part of a packaged view: the fields it reads, and its lines without the last line break (or "")."""

    reads: frozenset[str]
    text: Callable[[Fields], str]


def _block(*reads: str) -> Callable[[Callable[[Fields], str]], Block]:
    return lambda text: Block(frozenset(reads), text)


def _section(title: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return f"## {title}\n\n{text}" if text else ""


def _items_of(field: str, title: str, entry: Callable[[Any], str] = item) -> Block:
    return Block(
        frozenset([field]), lambda f: _section(title, (f"- {entry(e)}" for e in listed(f.get(field))))
    )


def _text_of(field: str, title: str) -> Block:
    return Block(frozenset([field]), lambda f: _section(title, [block(f[field])] if f.get(field) else []))


def _optional(label: str, value: Any) -> str:
    return f"\n**{label}**: {one_line(value)}" if value else ""


def _labelled(values: Mapping[str, Any]) -> list[str]:
    return [f"- **{label_for(str(key))}**: {one_line(value)}" for key, value in values.items()]


@_block(
    *("title", "task_id", "project_id", "status", "assigned_agent", "priority", "needs"),
    *("conflicts_with", "created_at"),
    *("not_before", "assigned_at", "started_at", "updated_at", "completed_at", "eta"),
    *("progress", "metadata", "steps_done", "steps_total", "duration_sec", "remaining_sec"),
)
def _task_state(f: Fields) -> str:
    get, line = f.get, one_line
    not_before, completed_at, eta = get("not_before"), get("completed_at"), get("eta")
    return (
        f"# Task: {line(get('title') or get('task_id'))}\n\n"
        f"**Task ID**: {line(get('task_id'))}\n"
        f"**Project ID**: {line(get('project_id'))}\n"
        f"**Status**: {line(get('status'))}\n"
        f"**Assigned Agent**: {line(get('assigned_agent'))}"
        f"{_optional('Priority', get('priority'))}{_optional('Needs', get('needs'))}"
        f"{_optional('Conflicts With', get('conflicts_with'))}\n\n"
        f"## Timeline\n\n"
        f"- **Created**: {line(get('created_at'))}\n"
        f"{f'- **Not Before**: {line(not_before)}{_BREAK}' if not_before else ''}"
        f"- **Assigned**: {line(get('assigned_at'))}\n"
        f"- **Started**: {line(get('started_at'))}\n"
        f"- **Last Updated**: {line(get('updated_at'))}\n"
        f"{f'- **Completed**: {line(completed_at)}{_BREAK}' if completed_at else ''}"
        f"- **ETA**: {line(eta)}{' (estimated)' if eta else ''}\n\n"
        f"## Progress\n\n"
        f"- **Current**: {progress(f)}\n"
        f"- **Duration**: {duration(f)}\n"
        f"- **Remaining**: {remaining(f)}"
    )


_BREAK = "\n"


@_block("metadata")
def _task_metrics(f: Fields) -> str:
    metadata = mapping(f.get("metadata"))
    return _section("Metrics", [json_block(metadata)] if metadata else [])


@_block("result")
def _task_result(f: Fields) -> str:
    result = f.get("result")
    if isinstance(result, Mapping):
        return _section("Result", _labelled(result))
    return _section("Result", [] if result is None or result == "" else [block(result)])


@_block("next_steps")
def _task_next_steps(f: Fields) -> str:
    steps = [f"1. {item(step)}" for step in listed(f.get("next_steps"))]
    return _section("Next Steps", ["On completion:", "", *steps] if steps else [])


@_block("logs")
def _task_logs(f: Fields) -> str:
    lines = [log_line(entry) for entry in rows(f.get("logs"))[-LAST:][::-1]]
    return _section("Logs", ["Recent activity:", "", "```", *lines, "```"] if lines else [])


@_block("agent_id", "status", "last_updated", "metrics", "agent_type", "capabilities", "specializations")
def _agent_head(f: Fields) -> str:
    agent_type = f.get("agent_type")
    return (
        f"# Agent: {one_line(f.get('agent_id'))}\n\n"
        f"**Status**: {one_line(f.get('status')).upper()}\n"
        f"**Last Updated**: {one_line(f.get('last_updated'))}\n"
        f"**Workload**: {pct(mapping(f.get('metrics'))['workload_pct'])}"
        f"{_optional('Agent Type', agent_type if agent_type != f.get('agent_id') else None)}"
        f"{_optional('Capabilities', f.get('capabilities'))}"
        f"{_optional('Specializations', f.get('specializations'))}"
    )


@_block("active_tasks", "last_updated")
def _agent_active(f: Fields) -> str:
    tasks = "\n\n".join(_active_task(task, f.get("last_updated")) for task in rows(f.get("active_tasks")))
    return _section("Active Tasks", [tasks] if tasks else [])


def _active_task(task: Row, now: Any) -> str:
    project = f" ({one_line(task['project_id'])})" if task["project_id"] else ""
    metrics = [(key, value) for key, value in mapping(task["metadata"]).items() if key not in _COUNTS]
    return (
        f"### Task: {one_line(task['title'] or task['task_id'])}{project}\n"
        f"- **Task ID**: {one_line(task['task_id'])}\n"
        f"- **Started**: {one_line(task['started_at'])}\n"
        f"- **Duration**: {duration(task, now)}\n"
        f"- **Status**: {one_line(task['status'])}\n"
        f"- **Progress**: {progress(task)}"
        + ("\n- **Metrics**:" if metrics else "")
        + "".join(f"\n  - {label_for(str(key))}: {one_line(value)}" for key, value in metrics)
    )


_COUNTS = ("step", "total_steps")


@_block("recent_completions")
def _agent_completions(f: Fields) -> str:
    entries = "\n\n".join(_completion(entry) for entry in rows(f.get("recent_completions")))
    return _section("Recent Completions (Last 24h)", [entries] if entries else [])


def _completion(entry: Row) -> str:
    task_id = f" ({one_line(entry['task_id'])})" if entry["task_id"] and entry["title"] else ""
    return (
        f"- **{one_line(entry['title'] or entry['task_id'])}**{task_id}\n"
        f"  - Completed: {one_line(entry['completed_at'])}\n"
        f"  - Duration: {duration(entry)}\n"
        f"  - Success: {one_line(entry['success'])}"
    )


@_block("metrics")
def _agent_metrics(f: Fields) -> str:
    metrics = mapping(f.get("metrics"))
    shown = {
        "success_rate": success_rate(metrics),
        "avg_duration_sec": human_duration(metrics["avg_duration_sec"]),
        "total_tasks": one_line(metrics["total_tasks"]),
        "failed_tasks": one_line(metrics["failed_tasks"]),
    }
    lines = [f"- **{_AGENT_METRICS[key]}**: {text}" for key, text in shown.items() if key in metrics]
    others = {key: value for key, value in metrics.items() if key not in shown and key not in _SHOWN_ABOVE}
    return _section("Metrics", lines + _labelled(others))


_SHOWN_ABOVE = ("workload_pct", "succeeded")
_AGENT_METRICS = {
    "success_rate": "Success Rate",
    "avg_duration_sec": "Average Duration",
    "total_tasks": "Total Tasks (24h)",
    "failed_tasks": "Failed Tasks",
}


@_block("circuit_breaker")
def _agent_breaker(f: Fields) -> str:
    breaker = mapping(f.get("circuit_breaker"))
    if not breaker:
        return ""
    return (
        f"## Circuit Breaker\n\n"
        f"- **State**: {one_line(breaker['state']).upper()}\n"
        f"- **Failure Count**: {one_line(breaker['failure_count'])}/{one_line(breaker['threshold'])}\n"
        f"- **Last Failure**: {one_line(breaker['last_failure'])}"
    )


@_block("domain", "title", "project_id", "last_updated", "created_by", "task_id")
def _context_head(f: Fields) -> str:
    domain = f.get("domain")
    task_id = f" ({one_line(f.get('task_id'))})" if f.get("task_id") else ""
    name = one_line(f.get("title") or f.get("project_id"))
    return (
        f"# {heading(domain) + ' ' if domain else ''}Context: {name}\n\n"
        f"**Project**: {one_line(f.get('project_id'))}\n"
        f"**Last Updated**: {one_line(f.get('last_updated'))}\n"
        f"**Created By**: {one_line(f.get('created_by'))}{task_id}"
    )


@_block("data", "domain")
def _context_data(f: Fields) -> str:
    data = {key: value for key, value in mapping(f.get("data")).items() if not is_table(value)}
    domain = f.get("domain")
    return _section(
        f"{heading(domain) + ' ' if domain else ''}Information", [json_block(data)] if data else []
    )


@_block("data")
def _context_tables(f: Fields) -> str:
    data = mapping(f.get("data"))
    tables = ((str(key), value) for key, value in data.items() if is_table(value))
    return "\n\n".join(_section(heading(key), [table(value)]) for key, value in tables)


@_block("title", "context_id", "data", "task_id", "last_updated", "created_by")
def _quality_head(f: Fields) -> str:
    data = mapping(f.get("data"))
    return (
        f"# Quality: {one_line(f.get('title') or f.get('context_id'))}\n\n"
        f"**Verdict**: {one_line(data['verdict']).upper()}\n"
        f"**Files**: {one_line(data['files'])}\n"
        f"**Task ID**: {one_line(f.get('task_id'))}\n"
        f"**Attempt**: {one_line(data['attempt'])}\n"
        f"**Last Updated**: {one_line(f.get('last_updated'))}\n"
        f"**Created By**: {one_line(f.get('created_by'))}"
    )


@_block("data")
def _quality_checks(f: Fields) -> str:
    checks = listed(mapping(f.get("data"))["checks"])
    return _section("Checks", [table(checks)] if checks else [])


@_block("data")
def _quality_outputs(f: Fields) -> str:
    outputs = mapping(mapping(f.get("data"))["output"])
    return "\n\n".join(f"## Output of {one_line(key)}\n\n{block(text)}" for key, text in outputs.items())


@_block("title", "metrics_type", "last_updated")
def _metrics_head(f: Fields) -> str:
    name = one_line(f.get("title") or f.get("metrics_type"))
    return f"# Metrics: {name}\n\n**Last Updated**: {one_line(f.get('last_updated'))}"


@_block("values")
def _metrics_values(f: Fields) -> str:
    return _section("Values", _labelled(mapping(f.get("values"))))


@_block("samples")
def _metrics_samples(f: Fields) -> str:
    samples = listed(f.get("samples"))
    last = samples[-LAST:]
    note = f"\n\n_The last {LAST} of {len(samples)}._" if len(samples) > LAST else ""
    return _section("Samples", [table(last) + note] if last else [])


@_block("subject", "message_id", "type", "from", "to", "created_at", "in_reply_to")
def _message_head(f: Fields) -> str:
    return (
        f"# Message: {one_line(f.get('subject'))}\n\n"
        f"**Message ID**: {one_line(f.get('message_id'))}\n"
        f"**Type**: {one_line(f.get('type'))}\n"
        f"**From**: {one_line(f.get('from'))}\n"
        f"**To**: {one_line(f.get('to') or 'all')}\n"
        f"**Created**: {one_line(f.get('created_at'))}"
        f"{_optional('In Reply To', f.get('in_reply_to'))}"
    )


@_block("acks")
def _message_acks(f: Fields) -> str:
    return _section("Acknowledgements", map(_ack, rows(f.get("acks"))))


def _ack(ack: Row) -> str:
    comment = f": {one_line(ack['comment'])}" if ack["comment"] else ""
    return f"- **{one_line(ack['by'])}** at {one_line(ack['at'])}{comment}"


@_block(
    *("title", "project_id", "phase", "status", "last_updated"),
    *("progress", "metadata", "steps_done", "steps_total"),
)
def _progress_state(f: Fields) -> str:
    return (
        f"# Progress: {one_line(f.get('title') or f.get('project_id'))}\n\n"
        f"**Project ID**: {one_line(f.get('project_id'))}\n"
        f"**Phase**: {one_line(f.get('phase'))}\n"
        f"**Status**: {one_line(f.get('status'))}\n"
        f"**Last Updated**: {one_line(f.get('last_updated'))}\n\n"
        f"## Progress\n\n"
        f"`[{bar(f.get('progress'))}]`\n\n"
        f"- **Current**: {progress(f)}"
    )


@_block("phases")
def _progress_phases(f: Fields) -> str:
    return _section("Phases", map(_phase, rows(f.get("phases"))))


def _phase(entry: Row) -> str:
    box = "x" if entry["status"] == "completed" else " "
    counts = f"{one_line(entry['steps_done'])}/{one_line(entry['steps_total'])}"
    return f"- [{box}] {item(entry['phase'])} ({one_line(entry['status'])}, {counts})"


@_block("title", "channel", "last_updated")
def _events_head(f: Fields) -> str:
    title = one_line(f["title"]) if f.get("title") else f"{heading(f.get('channel'))} Events Log"
    return f"# {title}\n\nLast updated: {one_line(f.get('last_updated'))}"


PACKAGED: Final[dict[str, tuple[Block, ...]]] = {
    "task": (
        _task_state,
        _task_metrics,
        _task_result,
        _text_of("error", "Error"),
        _text_of("instructions", "Instructions"),
        _items_of("acceptance", "Acceptance Criteria", criterion),
        _items_of("context", "Context References", reference),
        _items_of("depends_on", "Dependencies"),
        _task_next_steps,
        _task_logs,
    ),
    "agent": (
        _agent_head,
        _agent_active,
        _agent_completions,
        _agent_metrics,
        _agent_breaker,
        _text_of("notes", "Notes"),
    ),
    "context": (
        _context_head,
        _context_data,
        _context_tables,
        _items_of("dependencies", "Dependencies", reference),
    ),
    "quality": (_quality_head, _quality_checks, _quality_outputs),
    "metrics": (_metrics_head, _metrics_values, _metrics_samples),
    "message": (_message_head, _text_of("description", "Description"), _message_acks),
    "progress": (_progress_state, _progress_phases, _items_of("blockers", "Blockers")),
    "events": (_events_head,),
}
"""The blocks of every packaged view, in their order."""


def render(name: str, fields: Fields) -> str:
    """The content of the packaged view `name`: lines that all end with a line break."""
    return joined(part.text(fields) for part in PACKAGED[name])


def joined(texts: Iterable[str]) -> str:
    """Blocks as the content of a view; empty ones are left out."""
    return "\n\n".join(filter(None, texts)) + "\n"
