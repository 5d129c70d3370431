"""The one place where an exception becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from mdcoord.errors import MdcoordError

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells give it (128 + SIGINT)."""

BROKEN_PIPE = 141
"""The exit code when the reader of the output went away, as shells give it (128 + SIGPIPE)."""


def run(action: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Do it, print what goes wrong on stderr, and return the exit code.

    `arguments`, the command line, tell whether errors are wanted as JSON.
    """
    try:
        code = action()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError):
            _drop_output()
        _report(error, as_json=wants_json(arguments))
        return exit_code(error)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options, also of a command line that cannot be parsed."""
    ends = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:ends]


def exit_code(error: Exception) -> int:
    """The documented exit code of an error; 1 for one that nobody expected."""
    return error.exit_code if isinstance(error, MdcoordError | click.ClickException) else 1


def describe(error: Exception) -> dict[str, Any]:
    """An error as porcelain: `error` (its code), `message`, `hint`, and its details."""
    if isinstance(error, MdcoordError):
        return error.as_dict()
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context else ""
        code = "usage" if isinstance(error, click.UsageError) else "error"
        return {"error": code, "message": error.format_message(), "hint": hint}
    message = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}".rstrip(": ")
    return {"error": "internal", "message": message, "hint": "MDCOORD_DEBUG=1 shows where it happened"}


def _report(error: Exception, *, as_json: bool) -> None:
    from mdcoord.interfaces.cli.output import json_line, note, uncontrolled

    if os.environ.get("MDCOORD_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    facts = describe(error)
    if as_json:
        note(json_line(facts))
        return
    lines = f"mdcoord: {facts['message']}".split("\n")
    hint = f"  hint: {facts['hint']}".split("\n") if facts["hint"] else []
    note("\n".join(map(uncontrolled, [*lines, *hint])))


def _drop_output() -> None:
    """Let the interpreter's own flush at exit go nowhere, since the output's end is gone or full."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # the output is not a file of this process (a test's buffer): there is no flush to fear
