"""`mdcoord recover`."""

from __future__ import annotations

from dataclasses import asdict

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import put_all
from mdcoord.interfaces.cli.warning import notice


@verb("recover", example="mdcoord recover")
def recover(call: Call) -> None:
    """Take back every task whose holder is gone."""
    from mdcoord.rules.leases import unknown_claim

    workspace = call.workspace()
    put_all(
        call,
        [asdict(found) for found in workspace.recover()],
        ("ID", "STATUS", "TAKEN FROM", "BECAUSE"),
        lambda found: (found["id"], found["status"], found["previous_agent"], found["reason"]),
        empty="no claim is over",
    )
    for claim in workspace.status()["claims"]:
        if not claim["session"]:
            message, hint = unknown_claim(claim["agent"] or "", claim["task_id"])
            text = f"left alone: {claim['task_id']} is {message}; {hint}"
            notice(call, "unknown_claim", text, task_id=claim["task_id"], message=message, hint=hint)
