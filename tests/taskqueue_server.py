"""A stand-in for the TaskQueue server: the documented protocol of its version 1.4.1, with its traps.

    python -I -S taskqueue_server.py

It keeps the file that TASK_MANAGER_FILE_PATH names. What is to go wrong, a test writes into `<file>.faults`,
a line each, which is used once: a tool, and `dies-before`, `dies-after`, `hangs`, or `forgets` (acknowledged,
but not stored). Where there is `<file>.slow`, it thinks for a moment between reading and writing its file.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

FILE = os.environ["TASK_MANAGER_FILE_PATH"]
STATES = ("open", "pending_approval", "completed", "all")
STATUSES = ("not started", "in progress", "done")


class Failure(Exception):
    """A tool failure."""


class Wrong(Exception):
    """An error of the protocol: code and message."""


class Manager:
    """The projects. They are read again before every call but `delete_project`."""

    projects: list[dict[str, Any]]
    forgets = False

    def reload(self) -> None:
        lock()
        try:
            with open(FILE, encoding="utf-8") as file:
                data = json.load(file)
            self.projects = data["projects"]
        except FileNotFoundError:
            self.projects = []
        except ValueError as error:
            raise Failure(f"Failed to read tasks file: {error}") from None
        except LookupError:
            raise Failure("Failed to reload tasks from disk") from None
        finally:
            os.unlink(f"{FILE}.lock")

    def save(self) -> None:
        if self.forgets:
            return
        if os.path.exists(f"{FILE}.slow"):
            time.sleep(0.01)
        lock()
        with open(FILE, "w", encoding="utf-8") as file:
            json.dump({"projects": self.projects}, file, indent=2, ensure_ascii=False)
        os.unlink(f"{FILE}.lock")

    def project(self, id: str) -> dict[str, Any]:
        for project in self.projects:
            if project["projectId"] == id:
                return project
        raise Failure(f"Project {id} not found")

    def open_project(self, id: str) -> dict[str, Any]:
        project = self.project(id)
        if project["completed"]:
            raise Failure("Project is already completed")
        return project

    def task(self, project: dict[str, Any], id: str) -> dict[str, Any]:
        for task in project["tasks"]:
            if task["id"] == id:
                return task
        raise Failure(f"Task {id} not found")

    def new_tasks(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Ids go on from the highest that is in the file: those of removed tasks are used again."""
        top = highest(task["id"] for project in self.projects for task in project["tasks"])
        return [
            {
                "id": f"task-{number}",
                "title": task["title"],
                "description": task["description"],
                "status": "not started",
                "approved": False,
                "completedDetails": "",
                **{name: task[name] for name in RECOMMENDATIONS if task.get(name)},
            }
            for number, task in enumerate(given, top + 1)
        ]


RECOMMENDATIONS = ("toolRecommendations", "ruleRecommendations")


def lock() -> None:
    """As the server does: it waits for ever for a lock that was left behind."""
    while True:
        try:
            os.close(os.open(f"{FILE}.lock", os.O_CREAT | os.O_EXCL))
            return
        except FileExistsError:
            time.sleep(0.1)
        except FileNotFoundError:
            raise Failure("Failed to reload tasks from disk") from None


def highest(ids: Any) -> int:
    return max((int(id.rpartition("-")[2]) for id in ids), default=0)


def text(arguments: dict[str, Any], name: str, *, shown: str = "") -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Wrong(-32602, f"Invalid or missing required parameter: {shown or name} (Expected string)")
    return value


def given_tasks(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    tasks = arguments.get("tasks")
    if not isinstance(tasks, list):
        raise Wrong(-32602, "Invalid or missing required parameter: tasks (Expected array)")
    for number, task in enumerate(tasks):
        for name in ("title", "description"):
            text(task, name, shown=f"{name} in task at index {number}")
    return tasks


def chosen(arguments: dict[str, Any]) -> str:
    state = arguments.get("state", "all")
    if state not in STATES:
        raise Failure(f"Invalid state parameter. Must be one of: {', '.join(STATES)}")
    return str(state)


def brief(task: dict[str, Any], *more: str) -> dict[str, Any]:
    return {name: task[name] for name in ("id", "title", "description", *more)}


def list_projects(manager: Manager, arguments: dict[str, Any]) -> Any:
    state = chosen(arguments)
    manager.reload()
    wanted: dict[str, Callable[[dict[str, Any]], bool]] = {
        "all": lambda project: True,
        "open": lambda project: not project["completed"],
        "completed": lambda project: project["completed"],
        "pending_approval": lambda project: (
            not project["completed"] and all(task["status"] == "done" for task in project["tasks"])
        ),
    }
    return {
        "message": "Current projects in the system:",
        "projects": [
            {
                "projectId": project["projectId"],
                "initialPrompt": project["initialPrompt"],
                "totalTasks": len(project["tasks"]),
                "completedTasks": sum(task["status"] == "done" for task in project["tasks"]),
                "approvedTasks": sum(task["approved"] for task in project["tasks"]),
            }
            for project in manager.projects
            if wanted[state](project)
        ],
    }


def read_project(manager: Manager, arguments: dict[str, Any]) -> Any:
    id = text(arguments, "projectId")
    manager.reload()
    project = manager.project(id)
    names = ("projectId", "initialPrompt", "projectPlan", "completed", "autoApprove", "tasks")
    return {name: project[name] for name in names}


def create_project(manager: Manager, arguments: dict[str, Any]) -> Any:
    prompt, tasks = text(arguments, "initialPrompt"), given_tasks(arguments)
    manager.reload()
    number = highest(project["projectId"] for project in manager.projects) + 1
    project = {
        "projectId": f"proj-{number}",
        "initialPrompt": prompt,
        "projectPlan": arguments.get("projectPlan") or prompt,
        "tasks": manager.new_tasks(tasks),
        "completed": False,
        "autoApprove": arguments.get("autoApprove") is not False,
    }
    manager.projects.append(project)
    manager.save()
    return {
        "projectId": project["projectId"],
        "totalTasks": len(tasks),
        "tasks": [brief(task) for task in project["tasks"]],
        "message": f"Project {project['projectId']} created with {len(tasks)} tasks.",
    }


def delete_project(manager: Manager, arguments: dict[str, Any]) -> Any:
    """From memory: what another server added meanwhile is overwritten."""
    id = text(arguments, "projectId")
    if not hasattr(manager, "projects"):
        manager.reload()
    left = [project for project in manager.projects if project["projectId"] != id]
    if len(left) == len(manager.projects):
        raise Failure(f"Project not found: {id}")
    manager.projects = left
    manager.save()
    return {"status": "project_deleted", "message": f"Project {id} has been deleted."}


def add_tasks_to_project(manager: Manager, arguments: dict[str, Any]) -> Any:
    id, tasks = text(arguments, "projectId"), given_tasks(arguments)
    manager.reload()
    project = manager.open_project(id)
    new = manager.new_tasks(tasks)
    project["tasks"] += new
    manager.save()
    return {"newTasks": [brief(task) for task in new], "message": f"Added {len(new)} tasks to project {id}"}


def create_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    names = ("title", "description", *RECOMMENDATIONS)
    task = {name: arguments.get(name) for name in names if name in arguments}
    for name in ("projectId", "title", "description"):
        text(arguments, name)
    return add_tasks_to_project(manager, {**arguments, "tasks": [task]})


def finalize_project(manager: Manager, arguments: dict[str, Any]) -> Any:
    id = text(arguments, "projectId")
    manager.reload()
    project = manager.open_project(id)
    if not all(task["status"] == "done" for task in project["tasks"]):
        raise Failure("Not all tasks are done")
    if not all(task["approved"] for task in project["tasks"]):
        raise Failure("Not all done tasks are approved")
    project["completed"] = True
    manager.save()
    return {"projectId": id, "message": "Project is fully completed and approved."}


def list_tasks(manager: Manager, arguments: dict[str, Any]) -> Any:
    id = text(arguments, "projectId") if "projectId" in arguments else None
    state = chosen(arguments)
    manager.reload()
    projects = [manager.project(id)] if id else manager.projects
    wanted: dict[str, Callable[[dict[str, Any]], bool]] = {
        "all": lambda task: True,
        "open": lambda task: not task["approved"],
        "completed": lambda task: task["status"] == "done" and task["approved"],
        "pending_approval": lambda task: task["status"] == "done" and not task["approved"],
    }
    tasks = [task for project in projects for task in project["tasks"] if wanted[state](task)]
    return {"message": f"{len(tasks)} tasks found.", "tasks": tasks}


def read_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    id, task = text(arguments, "projectId"), text(arguments, "taskId")
    manager.reload()
    return {"projectId": id, "task": manager.task(manager.project(id), task)}


def update_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    """Any status follows any other; details are taken with `done` only."""
    id, task_id = text(arguments, "projectId"), text(arguments, "taskId")
    values = {name: text(arguments, name) for name in ("title", "description") if name in arguments}
    values |= {name: arguments[name] for name in RECOMMENDATIONS if name in arguments}
    if "status" in arguments:
        if arguments["status"] not in STATUSES:
            raise Wrong(-32602, "Invalid status: must be one of 'not started', 'in progress', 'done'")
        if arguments["status"] == "done":
            shown = "completedDetails (required when status = 'done')"
            values["completedDetails"] = text(arguments, "completedDetails", shown=shown)
        values["status"] = arguments["status"]
    manager.reload()
    project = manager.open_project(id)
    task = manager.task(project, task_id)
    if task["approved"]:
        raise Failure("Cannot modify an approved task")
    task.update(values)
    manager.save()
    message = "Task marked as done but requires human approval."
    told = values.get("status") == "done" and not project["autoApprove"]
    return {"task": task, **({"message": message} if told else {})}


def delete_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    id, task_id = text(arguments, "projectId"), text(arguments, "taskId")
    manager.reload()
    project = manager.open_project(id)
    task = manager.task(project, task_id)
    if task["approved"]:
        raise Failure("Cannot delete an approved task")
    project["tasks"].remove(task)
    manager.save()
    return {"message": f"Task {task_id} deleted from project {id}"}


def approve_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    id, task_id = text(arguments, "projectId"), text(arguments, "taskId")
    manager.reload()
    task = manager.task(manager.project(id), task_id)
    if task["status"] != "done":
        raise Failure("Task not done yet")
    if task["approved"]:
        raise Failure("Task is already approved")
    task["approved"] = True
    manager.save()
    return {"projectId": id, "task": brief(task, "completedDetails", "approved")}


def get_next_task(manager: Manager, arguments: dict[str, Any]) -> Any:
    """The same for everybody who asks: nothing is claimed here. A task that is done waits for approval."""
    id = text(arguments, "projectId")
    manager.reload()
    project = manager.open_project(id)
    if not project["tasks"]:
        raise Failure("Project has no tasks")
    for task in project["tasks"]:
        if not (task["status"] == "done" and task["approved"]):
            return {"projectId": id, "task": task}
    return {"message": "All tasks have been completed and approved. Awaiting project completion approval."}


TOOLS = {
    tool.__name__: tool
    for tool in (
        list_projects,
        read_project,
        create_project,
        delete_project,
        add_tasks_to_project,
        finalize_project,
        list_tasks,
        read_task,
        create_task,
        update_task,
        delete_task,
        approve_task,
        get_next_task,
    )
}


def fault(tool: str) -> str:
    """What is to go wrong in this call."""
    try:
        with open(f"{FILE}.faults", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return ""
    for line in lines:
        if line.split()[0] == tool:
            lines.remove(line)
            with open(f"{FILE}.faults", "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
            return line.split()[1]
    return ""


def call(manager: Manager, tool: str, arguments: dict[str, Any]) -> Any:
    if tool not in TOOLS:
        raise Wrong(-32601, f"Unknown tool: {tool}")
    happens = fault(tool)
    if happens == "dies-before":
        sys.exit("killed before it began")
    if happens == "hangs":
        time.sleep(3600)
    manager.forgets = happens == "forgets"
    data = TOOLS[tool](manager, arguments)
    if happens == "dies-after":
        sys.exit("killed after it was done")
    return data


def answer(manager: Manager, message: dict[str, Any]) -> dict[str, Any] | None:
    if "id" not in message:
        return None
    head = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] == "initialize":
        about = {"name": "task-manager-server", "version": "1.4.1"}
        tools = {"tools": {"list": True, "call": True}}
        return {
            **head,
            "result": {"protocolVersion": "2024-11-05", "capabilities": tools, "serverInfo": about},
        }
    try:
        data = call(manager, message["params"]["name"], message["params"].get("arguments") or {})
    except Failure as error:
        content = [{"type": "text", "text": f"Tool execution failed: {error}"}]
        return {**head, "result": {"content": content, "isError": True}}
    except Wrong as error:
        code, text = error.args
        return {**head, "error": {"code": code, "message": f"MCP error {code}: {text}"}}
    content = [{"type": "text", "text": json.dumps(data, indent=2, ensure_ascii=False)}]
    return {**head, "result": {"content": content}}


def main() -> None:
    sys.stderr.write("log text goes to the error output\n")
    manager = Manager()
    for line in sys.stdin.buffer:
        if said := answer(manager, json.loads(line)):
            sys.stdout.buffer.write(json.dumps(said, ensure_ascii=False).encode() + b"\n")
            sys.stdout.buffer.flush()


assert re.fullmatch(r".+\.json", FILE), "a file of its own"
main()
