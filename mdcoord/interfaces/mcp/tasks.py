"""The tools for tasks. Each docstring is what an agent reads."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from mdcoord.errors import MdcoordError, UsageError
from mdcoord.interfaces.mcp.answers import LONG, LONGEST, Answer, held, present, preview, refusal
from mdcoord.interfaces.mcp.session import Session
from mdcoord.interfaces.mcp.tool import Arguments, about

CLAIMED: Final = (
    *("title", "type", "priority", "project_id", "instructions", "context", "acceptance"),
    *("needs", "depends_on", "metadata", "progress", "next_steps", "error"),
)
"""What a claim shows of its task."""

READ: Final = 8000
"""Characters that a brief shows of each text when nothing is said."""


class NewTask(Arguments):
    """A task."""

    title: str
    id: str | None = None
    priority: Annotated[float, about("Higher first")] = 0
    needs: Annotated[list[str] | None, about("Capabilities")] = None
    depends_on: Annotated[list[str] | None, about("Task ids")] = None
    conflicts_with: Annotated[list[str] | None, about("Tasks that must not run meanwhile")] = None
    assign: Annotated[str | None, about("Only for this agent; auto")] = None
    project: str | None = None
    type: str | None = None
    not_before: Annotated[str | None, about("ISO 8601, or 30m")] = None
    retry_limit: int | None = None
    timeout: Annotated[float | None, about("Seconds an attempt may take")] = None
    key: Annotated[str | None, about("The same key gives the same task")] = None
    instructions: str | None = None
    context: Annotated[list[Any] | None, about("What to read first: files, links, context ids, texts")] = None
    acceptance: Annotated[list[str] | None, about("When it is done")] = None
    fields: Annotated[dict[str, Any] | None, about("Any further front matter")] = None


def coord_create_tasks(session: Session, tasks: list[NewTask]) -> Answer:
    """Make tasks, in this order. Each one that fails is reported by its index; the others are made."""
    made: list[str] = []
    failed: list[dict[str, Any]] = []
    for index, task in enumerate(tasks):
        given = {name: getattr(task, name) for name in task.model_fields_set}
        try:
            made.append(session.workspace.tasks.create(**given).id)
        except MdcoordError as error:
            failed.append({"index": index, **refusal(error).facts})
    return Answer({"created": made, **({"failed": failed} if failed else {})}, failed=bool(failed))


def coord_claim_task(
    session: Session,
    id: Annotated[str | None, about("This task; else the best one that is ready")] = None,
    can: Annotated[list[str] | None, about("Your capabilities; else those you registered")] = None,
    ttl: Annotated[float | None, about("Seconds")] = None,
) -> Answer:
    """Claim a task. It is yours alone, and renewed, until you end it or this server ends."""
    claim = session.claim(id, can, ttl)
    task = preview(present({name: claim.task.get(name) for name in CLAIMED}), LONG)
    return Answer(held(claim), task, undo=lambda: session.give_back(claim))


def coord_update_task(
    session: Session,
    id: str,
    progress: Annotated[float | None, about("0 to 1")] = None,
    log: Annotated[str | None, about("A line for its log")] = None,
    metadata: Annotated[dict[str, Any] | None, about("Facts: step, loss")] = None,
    accept: Annotated[list[int | str] | None, about("Criteria that are met: numbers or texts")] = None,
    fields: Annotated[dict[str, Any] | None, about("Set any fields; dotted names nest")] = None,
    retry: Annotated[bool, about("Make an ended task pending again")] = False,
) -> Answer:
    """Note progress, a log line or facts on a task you hold; with id alone a heartbeat.

    `accept`, `fields` and `retry` need no claim.
    """
    tasks = session.workspace.tasks
    if retry:
        tasks.retry(id)
    if fields:
        tasks.update(id, fields)
    if accept:
        tasks.accept(id, *accept)
    noted = progress is not None or log is not None or bool(metadata)
    if not noted and (retry or fields or accept):
        return Answer({"id": id, "updated": True})
    claim = session.mine(id)
    with session.forgetting(claim):
        if noted:
            claim.note(progress, metadata or {}, log=log)
        else:
            claim.heartbeat()
    return Answer(held(claim))


def coord_complete_task(
    session: Session,
    id: str,
    outcome: Literal["completed", "failed", "released"] = "completed",
    result: Annotated[Any, about("Any JSON, with completed")] = None,
    error: Annotated[str | None, about("Why, with failed or released")] = None,
    lacks: Annotated[list[str] | None, about("What you cannot do, with released")] = None,
) -> Answer:
    """End a task you hold: completed; failed (tried again, dead after its last attempt); or released."""
    if outcome == "failed" and not error:
        raise UsageError("a failure needs an error", hint="say in `error` what went wrong")
    claim = session.mine(id)
    with session.forgetting(claim):
        if outcome == "completed":
            task = claim.complete(result)
        elif outcome == "failed":
            task = claim.fail(error or "")
        else:
            task = claim.release(reason=error, lacks=lacks or ())
    session.forget(claim)
    return Answer({"id": task.id, "status": task.status})


def coord_brief(session: Session, id: str, max_chars: Annotated[int, about("Of each text")] = READ) -> Answer:
    """Get all you need for a task: instructions, context, earlier results, criteria, and what is missing."""
    if max_chars < 1:
        raise UsageError("max_chars is at least 1", hint="leave it out")
    brief = session.workspace.brief(id).as_dict()
    told = {name: brief[name] for name in brief if name not in ("_kind", "_id", "commands")}
    return Answer({"id": brief["_id"]}, preview(present(told), min(max_chars, LONGEST)))
