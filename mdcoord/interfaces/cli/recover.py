"""`mdcoord recover`."""

from __future__ import annotations

from dataclasses import asdict

from mdcoord.interfaces.cli.base import verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.output import put_all


@verb("recover", example="mdcoord recover")
def recover(call: Call) -> None:
    """Take back every task whose holder is gone."""
    put_all(
        call,
        [asdict(found) for found in call.workspace().recover()],
        ("ID", "STATUS", "TAKEN FROM", "BECAUSE"),
        lambda found: (found["id"], found["status"], found["previous_agent"], found["reason"]),
        empty="no claim is over",
    )
