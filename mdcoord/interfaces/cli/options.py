"""Options and arguments that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mdcoord.interfaces.cli.call import Call

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Decorator = Callable[[Any], Any]


def token_option(command: Any) -> Any:
    """`--token`: the claim's token, which alone says whose claim it is."""
    return click.option(
        "--token",
        envvar="MDCOORD_TOKEN",
        help="The claim's token (MDCOORD_TOKEN); else your session counts.",
    )(command)


def op_option(command: Any) -> Any:
    """`--op`: the id of this operation."""
    return click.option("--op", metavar="ID", help="Name this operation; repeating it does nothing.")(command)


def set_option(help: str) -> Decorator:
    """`--set key=value`, as often as needed."""
    return click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help=help)


def pairs_argument(*, required: bool = True) -> Decorator:
    """`KEY=VALUE…` as arguments."""
    metavar = "KEY=VALUE..." if required else "[KEY=VALUE]..."
    return click.argument("pairs", nargs=-1, required=required, metavar=metavar)


def list_options(command: Any) -> Any:
    """`--where`, `--sort` and `--limit`."""
    where = click.option("--where", metavar="QUERY", help="Only those that meet the query: progress > 0.3")
    sort = click.option(
        "--sort", metavar="FIELDS", help="By these fields; a minus reverses: -priority,title."
    )
    limit = click.option("--limit", type=click.IntRange(0), metavar="N", help="No more than N.")
    return where(sort(limit(command)))


def words(texts: Sequence[str]) -> list[str]:
    """The words of options that may be repeated and may hold several words with commas."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def text_of(value: str | None) -> str | None:
    """The value of an option that takes long text: `-` reads it from stdin."""
    return sys.stdin.read().rstrip("\n") if value == "-" else value


def named(kind: str, label: str, *, required: bool = True) -> Decorator:
    """An argument that names a document of a kind, with completion."""
    return click.argument(
        label,
        required=required,
        metavar=label.upper() if required else f"[{label.upper()}]",
        shell_complete=_complete(kind),
    )


def _complete(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from mdcoord.errors import MdcoordError

        call = ctx.find_object(Call) or Call()
        try:
            with call.open() as workspace:
                records = workspace.query(kind)
        except MdcoordError:
            return []
        return [
            CompletionItem(
                record.id, help=record.get("title") or record.get("subject") or record.get("status")
            )
            for record in records
            if record.id.startswith(incomplete)
        ]

    return complete
