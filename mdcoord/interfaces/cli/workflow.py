"""`mdcoord workflow`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import cell
from mdcoord.interfaces.cli.meter import meter
from mdcoord.interfaces.cli.options import named, text_of, words
from mdcoord.interfaces.cli.output import clean, note, paint, pairs, put, put_all, table
from mdcoord.interfaces.cli.values import flat, nested, number, seconds
from mdcoord.interfaces.cli.warning import notice, warn

if TYPE_CHECKING:
    from mdcoord.services.workflow import Results, Workflow
    from mdcoord.workspace import Workspace

_HERE = "mdcoord.interfaces.cli.workflow"

_WITHOUT = "mdcoord task update {} --set status=cancelled --set allow_failure=true"

HEADS = ("WORKFLOW", "STATUS", "PROGRESS", "PHASE", "STEPS", "UPDATED", "TITLE")


@click.group(
    "workflow",
    cls=Group,
    members={
        name: f"{_HERE}:{function}"
        for name, function in (
            ("run", "run"),
            ("list", "listing"),
            ("show", "show"),
            ("wait", "wait"),
            ("results", "results"),
            ("add", "add"),
        )
    },
    example="mdcoord workflow list",
)
def workflow() -> None:
    """Make many tasks at once, in phases, and gather what they give."""


@verb("run", example="mdcoord workflow run release.md --set version=1.2")
@click.argument("file")
@click.option("--set", "params", multiple=True, metavar="KEY=VALUE", help="A parameter of the definition.")
@click.option("--update", is_flag=True, help="Also change pending tasks that the file has otherwise.")
def run(call: Call, file: str, params: tuple[str, ...], update: bool) -> None:
    """Make the tasks that a Markdown file (- is stdin) defines.

    Its front matter looks like this; a phase starts when the one before it is completed:

    \b
      ---
      workflow: release-${version}
      params: {version: null}      # null: it has to be given
      defaults: {retry_limit: 1}   # for every task
      phases:
        - phase: build
          tasks:
            - Write the notes
            - {title: Compile, id: compile, needs: [c], priority: 5}
        - phase: check
          allow_failures: true     # the next phase starts all the same
          tasks:
            - {title: Test, context: [docs/tests.md], acceptance: [all pass]}
      ---

    A task is a title or has any fields of one. Running it again makes what is missing, and nothing twice.
    """
    found = call.workspace().workflows.run(_text(file), params=flat(params), update=update, where=_name(file))
    put(call, {**found.as_dict(), "_made": _made(found)}, lambda: _ran(found))
    for difference in found.made.differences:
        facts = difference.as_dict()
        how = "" if difference.field else f"; to do without it: {_WITHOUT.format(difference.task_id)}"
        notice(call, "definition_changed", f"left as it is: {difference.describe()}{how}", **facts)
    if any(one.field for one in found.made.differences) and not (update or call.json):
        note("(--update changes those of them that are pending)")
    for task in found.made.begun:
        notice(call, "begun", f"task {task} had begun and did not wait for the new tasks", task_id=task)


@verb("list", example="mdcoord workflow list --json")
def listing(call: Call) -> None:
    """List the workflows and how they stand."""
    workspace = call.workspace()
    put_all(call, workspace.workflows.list(), HEADS, _row, empty="no workflows")
    warn(call, workspace, "progress")


@verb("show", example="mdcoord workflow show release-1.2")
@named("progress", "name")
def show(call: Call, name: str) -> None:
    """Show a workflow: its phases and tasks, and what blocks it."""
    workspace = call.workspace()
    found = workspace.workflows.get(name)
    more = {"_tasks": _tasks(workspace, found)} if call.json else {}
    put(call, {**found.as_dict(), **more}, lambda: _details(workspace, found))


@verb("wait", example="mdcoord workflow wait release-1.2 --timeout 30m")
@named("progress", "name")
@click.option("--timeout", type=seconds, metavar="TIME", help="Give up after this time: 30s, 5m.")
def wait(call: Call, name: str, timeout: float | None) -> int:
    """Wait until a workflow is over.

    Exits with 0 when it is completed, 1 when it failed or is blocked, 6 when the time is over.
    """
    found = call.workspace().workflows.wait(name, timeout)
    put(call, found.as_dict(), lambda: "\n".join([_line(found), *_blockers(found)]))
    return 0 if found.status == "completed" else 1


@verb("results", example="mdcoord workflow results release-1.2 --json")
@named("progress", "name")
def results(call: Call, name: str) -> None:
    """Show what the tasks gave, and why some did not."""
    found = call.workspace().workflows.results(name)
    put(call, found.as_dict(), lambda: _results(found))


@verb("add", example="mdcoord workflow add release-1.2 'Test on BSD' --phase check --needs bsd")
@named("progress", "name")
@click.argument("title")
@click.option("--phase", metavar="PHASE", help="The phase it goes into; else the present one.")
@click.option("--id", metavar="ID", help="Its name in the workflow; else the words of its title.")
@click.option("--priority", type=number, default=0, metavar="N", help="Higher is handed out first (0).")
@click.option("--needs", multiple=True, metavar="CAP,…", help="What an agent must be able to do.")
@click.option("--depends-on", multiple=True, metavar="ID,…", help="Tasks of the workflow, or others.")
@click.option("--instructions", metavar="TEXT", help="What is to be done; - reads it from stdin.")
@click.option("--set", "more", multiple=True, metavar="KEY=VALUE", help="Any further field. Repeatable.")
def add(
    call: Call,
    name: str,
    title: str,
    phase: str | None,
    needs: tuple[str, ...],
    depends_on: tuple[str, ...],
    instructions: str | None,
    more: tuple[str, ...],
    **given: Any,
) -> None:
    """Make one more task in a phase; the next phase waits for it, too."""
    from mdcoord.formats.workflowdef import TaskDef

    task = TaskDef(
        title,
        needs=words(needs),
        depends_on=words(depends_on),
        instructions=text_of(instructions),
        fields=nested(more),
        **given,
    )
    made = call.workspace().workflows.add(name, task, phase)
    put(call, made.as_dict(), made.id)


def _text(file: str) -> str:
    from mdcoord.errors import NotFound, UsageError
    from mdcoord.formats.document import decode

    if file == "-":
        return decode(sys.stdin.buffer.read(), where="stdin")
    try:
        with open(file, "rb") as source:
            return decode(source.read(), where=file)
    except FileNotFoundError:
        raise NotFound(f"there is no file {file}", hint="name the Markdown file of a workflow") from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}", hint="name a file") from None


def _name(file: str) -> str:
    return "stdin" if file == "-" else file


def _made(found: Workflow) -> Mapping[str, Any]:
    made = found.made
    return {
        "tasks": made.tasks,
        "changed": [difference.as_dict() for difference in made.changed],
        "differences": [difference.as_dict() for difference in made.differences],
        "begun": made.begun,
    }


def _ran(found: Workflow) -> str:
    made = found.made
    lines = [
        clean(f"  {one.task_id}: {one.field} is {cell(one.settled) or 'empty'} now") for one in made.changed
    ]
    return "\n".join(
        [f"{found.name}: {len(made.tasks)} of {found.outlook.steps_total} tasks made now", *lines]
    )


def _row(found: Workflow) -> tuple[str, ...]:
    outlook = found.outlook
    return (
        found.name,
        found.status,
        meter(outlook.progress),
        outlook.phase or "",
        f"{outlook.steps_done}/{outlook.steps_total}",
        age(found.document.last_updated),
        found.title or "",
    )


def _line(found: Workflow) -> str:
    outlook = found.outlook
    where = f", in phase {outlook.phase}" if not found.over and outlook.phase else ""
    counts = f"{outlook.steps_done} of {outlook.steps_total} tasks done"
    return clean(f"{found.name} is {found.status}: {counts}{where}")


def _blockers(found: Workflow) -> list[str]:
    return [clean(f"  {blocker}") for blocker in found.blockers]


def _details(workspace: Workspace, found: Workflow) -> str:
    outlook, document = found.outlook, found.document
    head = f"{found.name}  {found.title}" if found.title else found.name
    noted = [item if isinstance(item, str) else cell(item) for item in document.blockers]
    facts = {
        "status": found.status,
        "progress": f"{meter(outlook.progress)} ({outlook.steps_done}/{outlook.steps_total})",
        "phase": outlook.phase or "",
        "blockers": "\n".join(f"- {item}" for item in noted),
        "file": document.path or "",
    }
    phases = [(one.name, one.status, f"{one.steps_done}/{one.steps_total}") for one in outlook.phases]
    tasks = [
        tuple(cell(fact) for fact in {**task, "progress": meter(task["progress"])}.values())
        for task in _tasks(workspace, found)
    ]
    return "\n".join(
        [
            paint(clean(head), "1"),
            pairs(facts.items()),
            "",
            table(("PHASE", "STATUS", "STEPS"), phases),
            "",
            table(("TASK", "PHASE", "STATUS", "AGENT", "PROGRESS", "TITLE"), tasks),
        ]
    )


def _tasks(workspace: Workspace, found: Workflow) -> list[dict[str, Any]]:
    """What there is to know of each task at a glance, in the order of the phases."""
    known = {task.id: task for task in workspace.workflows.tasks(found.name)}
    return [
        {
            "task_id": id,
            "phase": phase.name,
            "status": known[id].status if id in known else "missing",
            "assigned_agent": known[id].assigned_agent if id in known else None,
            "progress": known[id].progress if id in known else None,
            "title": known[id].title if id in known else None,
        }
        for phase in found.outlook.phases
        for id in phase.tasks
    ]


def _results(found: Results) -> str:
    rows = [(name, "completed", cell(value)) for name, value in found.values.items()]
    rows += [(name, "failed", why) for name, why in found.failures.items()]
    rows += [(name, "open", "") for name in found.open]
    return table(("TASK", "OUTCOME", "RESULT"), rows)
