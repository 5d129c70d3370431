"""`mdcoord metrics`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.details import details, inline
from mdcoord.interfaces.cli.options import named, pairs_argument
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.values import nested
from mdcoord.interfaces.cli.warning import warn

_HERE = "mdcoord.interfaces.cli.metrics"


@click.group(
    "metrics",
    cls=Group,
    members={name: f"{_HERE}:{name}" for name in ("record", "show")},
    example="mdcoord metrics show performance",
)
def metrics() -> None:
    """Note figures and look at them."""


@verb("record", example="mdcoord metrics record performance loss=0.42 samples_per_second=45.2")
@named("metrics", "name")
@pairs_argument()
def record(call: Call, name: str, pairs: tuple[str, ...]) -> None:
    """Note the values of figures now; the last ones stay as samples."""
    found = call.workspace().metrics.record(name, **nested(pairs))
    put(call, found.as_dict(), f"{found.id} updated")


@verb("show", example="mdcoord metrics show performance")
@named("metrics", "name", required=False)
def show(call: Call, name: str | None) -> None:
    """Show figures; without a name, the latest of all."""
    workspace = call.workspace()
    if name is not None:
        found = workspace.metrics.show(name)
        put(call, found.as_dict(), lambda: details(found))
        return
    put_all(
        call,
        workspace.metrics.list(),
        ("METRICS", "UPDATED", "VALUES"),
        lambda found: (found.id, age(found.last_updated), inline(found.latest)),
        empty="no metrics",
    )
    warn(call, workspace, "metrics")
