"""What commands and groups have in common: the options of every command, examples, import on use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from mdcoord.errors import MdcoordError
from mdcoord.interfaces.cli.call import Call

COMPLETE = "_MDCOORD_COMPLETE"
"""The variable by which click's shell completion asks."""


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value and (call := context.find_object(Call)):
            setattr(call, name, value)

    return callback


def _everywhere(flag: str, attribute: str, help: str, **rest: Any) -> click.Option:
    return click.Option([flag], expose_value=False, callback=_keep(attribute), help=help, **rest)


EVERYWHERE: tuple[click.Option, ...] = (
    _everywhere("--root", "root", "The workspace's folder (MDCOORD_ROOT).", metavar="DIR"),
    _everywhere("--backend", "backend", "Which store: auto, a mode, or an address.", metavar="NAME"),
    _everywhere("--agent", "named_agent", "Who calls (MDCOORD_AGENT).", metavar="NAME"),
    _everywhere("--json", "json", "Print JSON, one object a line.", is_flag=True),
)
"""Accepted by every command and group, so before and after a sub-command."""


def _help(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and not context.resilient_parsing:
        click.echo(context.get_help())
        context.exit()


HELP = click.Option(
    ["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_help, help="Show this text."
)
"""One for all: click makes a new one for each command of a line, and asks for its translation."""


class _Everywhere(click.Command):
    """A command with the options of every command; its help ends with an example."""

    def __init__(self, *arguments: Any, example: str = "", **rest: Any) -> None:
        super().__init__(*arguments, **rest)
        self.example = example

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return HELP

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, help_option = super().get_params(ctx)
        return [*own, *EVERYWHERE, help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [option for option in self.params if isinstance(option, click.Option)]
        for title, options in (("Options", own), ("Options of every command", EVERYWHERE)):
            records = [record for option in options if (record := option.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.example:
            with formatter.section("Example"):
                formatter.write(f"{'':{formatter.current_indent}}{self.example}\n")
        super().format_epilog(ctx, formatter)


class Verb(_Everywhere):
    """One command. `example` is one line that works as it stands.

    When it is done it tells its caller of new messages (see `post`).
    """

    def invoke(self, ctx: click.Context) -> Any:
        call = ctx.find_object(Call)
        try:
            result = super().invoke(ctx)
        except MdcoordError as error:
            _deliver(call, error)
            raise
        _deliver(call)
        return result


def _deliver(call: Call | None, error: MdcoordError | None = None) -> None:
    if call and call.caller:
        from mdcoord.interfaces.cli.post import deliver

        deliver(call, error)


class Group(_Everywhere, click.Group):
    """Commands by name; the module of one is imported when it is asked for.

    `members` maps the name of a command to `module:attribute`, in the order of the help.
    """

    def __init__(self, *arguments: Any, members: Mapping[str, str] | None = None, **rest: Any) -> None:
        super().__init__(*arguments, **rest)
        self._members = dict(members or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._members.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _Everywhere.format_options(self, ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not (ctx.resilient_parsing or name in self._members or name.startswith("-")):
            self._unknown(ctx, name)
        return super().resolve_command(ctx, args)

    def _unknown(self, ctx: click.Context, name: str) -> NoReturn:
        from difflib import get_close_matches

        near = get_close_matches(name, self._members, 1)
        ctx.fail(f"There is no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else "."))


class Root(Group):
    """The command `mdcoord` itself. As a program it prints every error and exits with the error's code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        arguments = sys.argv[1:] if args is None else list(args)
        program = prog_name or "mdcoord"

        def action() -> Any:
            if asked := os.environ.get(COMPLETE):
                from click.shell_completion import shell_complete

                return shell_complete(self, {"obj": Call()}, program, COMPLETE, asked)
            try:
                with self.make_context(program, [*arguments], obj=Call(), **extra) as context:
                    return self.invoke(context)
            except click.exceptions.NoArgsIsHelpError as error:
                click.echo(error.format_message())
                return 0
            except click.exceptions.Exit as end:
                return end.exit_code

        if not standalone_mode:
            return action()
        from mdcoord.interfaces.cli.boundary import run

        sys.exit(run(action, arguments))


def verb(name: str, *, example: str) -> Callable[[Callable[..., Any]], Verb]:
    """Make a command of a function; its first argument is the Call, its docstring the help.

    It may return an exit code.
    """

    def decorate(function: Callable[..., Any]) -> Verb:
        return click.command(name, cls=Verb, example=example)(click.pass_obj(function))

    return decorate
