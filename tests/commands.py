"""The command line in this process, for tests: `mdcoord("task", "list", "--json").lines`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from click.testing import CliRunner

from mdcoord.interfaces.cli.app import cli


class Result(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Mdcoord = Callable[..., Result]


def call(*arguments: str, input: str | bytes | None = None, **environment: str) -> Result:
    done = CliRunner().invoke(
        cli, arguments, input=input, env=environment, prog_name="mdcoord", catch_exceptions=False
    )
    return Result(done.exit_code, done.stdout, done.stderr)
