"""The file of TaskQueue: projects, each with its tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from mdcoord.formats.foreign.found import Found, Remark, Unusable, filled, held_by, status_of
from mdcoord.model import Value

_PROJECT_SAID: Final = frozenset(["projectId", "tasks", "initialPrompt"])
_TASK_SAID: Final = frozenset(["title", "description", "completedDetails"])


Own = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Found | Remark | Unusable]]
"""Finds among the tasks of a project those that mdcoord wrote; by the ids there, what they are."""


def read_projects(raw: Any, where: str, own: Own) -> Iterator[Found | Remark | Unusable]:
    """The tasks of a file, and a progress document for each project."""
    projects = raw.get("projects") if isinstance(raw, Mapping) else None
    if not isinstance(projects, list):
        yield Unusable(where, "it has no list of projects")
        return
    for project in projects:
        if not isinstance(project, Mapping) or not isinstance(project.get("projectId"), str):
            yield Unusable(where, "a project without an id")
            continue
        yield _project(project)
        tasks = project.get("tasks")
        tasks = tasks if isinstance(tasks, list) else []
        ours = own([*filter(_is_task, tasks)])
        for task in tasks:
            if _is_task(task):
                yield ours.get(task["id"]) or _task(task, project["projectId"])
            else:
                yield Unusable(where, f"a task of {project['projectId']} without an id and a title")


def _project(raw: Mapping[str, Any]) -> Found:
    prompt = str(raw.get("initialPrompt") or raw["projectId"])
    over = raw.get("completed") is True
    fields = {"title": prompt.strip().split("\n")[0][:200], "status": "completed" if over else "in_progress"}
    plan = raw.get("projectPlan")
    texts = [f"## Prompt\n\n{prompt.strip()}\n"]
    texts += [f"## Plan\n\n{plan.strip()}\n"] if isinstance(plan, str) and plan not in ("", prompt) else []
    kept = {name: value for name, value in raw.items() if name not in _PROJECT_SAID}
    return Found("progress", raw["projectId"], fields, "\n".join(texts), kept=filled(kept))


def _is_task(raw: Any) -> bool:
    return isinstance(raw, Mapping) and isinstance(raw.get("id"), str) and bool(raw.get("title"))


def _task(raw: Mapping[str, Any], project: str) -> Found:
    status, remarks = status_of(raw.get("status"), None)
    if status == "completed" and raw.get("approved") is not True:
        remarks = (*remarks, "done but not approved: taken as completed")
    fields: dict[str, Value] = {
        "title": str(raw["title"]),
        "project_id": project,
        "status": status,
        "priority": 0,
        "instructions": raw.get("description"),
        "result": raw.get("completedDetails") if status == "completed" else None,
    }
    parts = {"Tools": raw.get("toolRecommendations"), "Rules": raw.get("ruleRecommendations")}
    body = "\n".join(f"## {name}\n\n{str(text).strip()}\n" for name, text in parts.items() if text)
    kept = filled({name: value for name, value in raw.items() if name not in _TASK_SAID})
    held = held_by(raw.get("status"))
    return Found("task", raw["id"], filled(fields), body, kept=kept, remarks=remarks, held=held)
