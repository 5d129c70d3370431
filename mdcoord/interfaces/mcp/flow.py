"""The tool for workflows. Its docstring is what an agent reads."""

from __future__ import annotations

from typing import Annotated, Any

from mdcoord.interfaces.mcp.answers import LONG, Answer, present, preview
from mdcoord.interfaces.mcp.session import Session
from mdcoord.interfaces.mcp.tool import about
from mdcoord.services.workflow import Workflow


def coord_workflow(
    session: Session,
    name: Annotated[str | None, about("Show this one with its results; else all")] = None,
    run: Annotated[str | None, about("Markdown; front matter: workflow, phases: [{phase, tasks}]")] = None,
    params: Annotated[dict[str, Any] | None, about("For run")] = None,
) -> Answer:
    """Make the tasks of a workflow, phase by phase (again: what is missing), or see how workflows stand."""
    workflows = session.workspace.workflows
    if run is not None:
        found = workflows.run(run, params=params, where="run")
        left = [difference.describe() for difference in found.made.differences]
        made = {"made": [*found.made.tasks], **present({"left_as_it_is": left, "begun": [*found.made.begun]})}
        return Answer({"id": found.name}, preview(made | _stand(found), LONG))
    if name is None:
        every = workflows.list()
        return Answer({"count": len(every)}, [{"id": one.name, **_stand(one)} for one in every])
    found = workflows.get(name)
    return Answer({"id": found.name}, preview(_stand(found) | present(found.results().as_dict()), LONG))


def _stand(found: Workflow) -> dict[str, Any]:
    outlook = found.outlook
    facts = {"title": found.title, "status": found.status, "phase": outlook.phase}
    steps = {"steps_done": outlook.steps_done, "steps_total": outlook.steps_total}
    return present({**facts, **steps, "blockers": [*found.blockers]})
