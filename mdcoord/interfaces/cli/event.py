"""`mdcoord event`."""

from __future__ import annotations

import click

from mdcoord.interfaces.cli.ages import age
from mdcoord.interfaces.cli.base import Group, verb
from mdcoord.interfaces.cli.call import Call
from mdcoord.interfaces.cli.options import pairs_argument
from mdcoord.interfaces.cli.output import put, put_all
from mdcoord.interfaces.cli.values import nested

_HERE = "mdcoord.interfaces.cli"


@click.group(
    "event",
    cls=Group,
    members={
        "publish": f"{_HERE}.event:publish",
        "tail": f"{_HERE}.tail:tail",
        "channels": f"{_HERE}.event:channels",
        "consumers": f"{_HERE}.event:consumers",
    },
    example="mdcoord event tail training --follow",
)
def event() -> None:
    """Tell the others what happened, and follow what they tell."""


@verb("publish", example="mdcoord event publish training checkpoint_saved step=3500 loss=0.42")
@click.argument("channel")
@click.argument("name")
@pairs_argument(required=False)
def publish(call: Call, channel: str, name: str, pairs: tuple[str, ...]) -> None:
    """Add an event to a channel, which is made when missing."""
    published = call.workspace().events.publish(channel, name, **nested(pairs))
    put(call, published.as_dict(), published.cursor)


@verb("channels", example="mdcoord event channels")
def channels(call: Call) -> None:
    """List the channels."""
    found = [{"channel": name} for name in call.workspace().events.channels()]
    put_all(call, found, ("CHANNEL",), lambda item: (item["channel"],), empty="no channels")


@verb("consumers", example="mdcoord event consumers training")
@click.argument("channel", required=False)
@click.option("--forget", metavar="NAME", help="Forget where this consumer is; it begins anew.")
def consumers(call: Call, channel: str | None, forget: str | None) -> None:
    """List consumers, and how many events wait for each.

    Up to 10,000 events are counted.
    """
    events = call.workspace().events
    if forget is not None:
        if channel is None:
            raise click.UsageError("Name the channel of the consumer that is to be forgotten.")
        events.forget(channel, forget)
        put(call, {"channel": channel, "consumer": forget, "forgotten": True}, f"{forget} is forgotten")
        return
    put_all(
        call,
        events.consumers(channel),
        ("CHANNEL", "CONSUMER", "WAITING", "MOVED"),
        lambda one: (
            one.channel,
            one.consumer,
            "no channel" if one.lag is None else str(one.lag),
            age(one.updated_at),
        ),
        empty="no consumers",
    )
