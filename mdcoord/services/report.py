"""What the checks of a quality gate found, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from mdcoord.model import Value

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended: passed, failed, or skipped, and then `note` says why.

    `type` is the type of project where there are several, `command` the command as people read it,
    `exit_code` None for a command that did not end by itself, `output` what it printed (bounded).
    """

    check: str
    type: str
    status: str
    command: str = ""
    note: str = ""
    exit_code: int | None = None
    duration_sec: float = 0.0
    output: str = ""

    @property
    def name(self) -> str:
        """The check, with the type of project where there are several: `lint (node)`."""
        return f"{self.check} ({self.type})" if self.type else self.check


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found. `files` are those that were looked at; None: the whole project."""

    results: Sequence[Result]
    files: Sequence[str] | None
    started_at: str
    duration_sec: float
    base: str | None = None
    task: str | None = None
    attempt: int | None = None
    agent: str | None = None

    @property
    def verdict(self) -> str:
        """`failed` if a check failed, `skipped` if none could be run, else `passed`."""
        found = {result.status for result in self.results}
        return next((status for status in (FAILED, PASSED) if status in found), SKIPPED)

    @property
    def passed(self) -> bool:
        """Whether at least one check was run, and none failed."""
        return self.verdict == PASSED

    def as_dict(self) -> dict[str, Value]:
        """As plain JSON data."""
        facts = asdict(self)
        results = facts.pop("results")
        files = None if self.files is None else list(self.files)
        return {"verdict": self.verdict, **facts, "files": files, "checks": results}


EXCERPT: Final = 40
"""Lines of the output of a failed check that a report's document keeps, the last ones."""

_WIDEST: Final = 300
_PLAIN: Final = {
    code: " " if chr(code) == "\t" else None for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}


def shown(report: Report) -> dict[str, Value]:
    """A report as the data of its document: the checks as rows, and the end of what failed ones printed."""
    files = "the whole project" if report.files is None else len(report.files)
    outputs = {
        result.name: excerpt(result.output)
        for result in report.results
        if result.status == FAILED and result.output.strip()
    }
    facts: dict[str, Value] = {
        "verdict": report.verdict,
        "attempt": report.attempt,
        "files": files,
        "base": report.base,
        "started_at": report.started_at,
        "duration_sec": report.duration_sec,
    }
    return {
        **{name: value for name, value in facts.items() if value is not None},
        "checks": [_row(result) for result in report.results],
        **({"output": outputs} if outputs else {}),
    }


def excerpt(output: str) -> str:
    """The last lines of an output, without control characters."""
    lines = [line.translate(_PLAIN).rstrip() for line in output.strip("\n").split("\n")]
    cut = [line if len(line) <= _WIDEST else line[:_WIDEST] + "…" for line in lines[-EXCERPT:]]
    return "\n".join((["…"] if len(lines) > EXCERPT else []) + cut)


def _row(result: Result) -> dict[str, Value]:
    return {
        "check": result.name,
        "status": result.status,
        "duration_sec": result.duration_sec,
        "command": result.command,
        "note": result.note,
    }
