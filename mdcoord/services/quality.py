"""The quality gate: checks of the project's files, run at the same time, and one report of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from mdcoord.config import Config
from mdcoord.config.checks import CHECKS, Check, checks_of
from mdcoord.config.detect import Project
from mdcoord.errors import AlreadyExists, MdcoordError, NotFound, UsageError
from mdcoord.model import MAX_NAME, Change, Key, Value
from mdcoord.records import Context, Task
from mdcoord.rules.gate import SHOWN
from mdcoord.rules.leases import Lease
from mdcoord.services.beater import SHARE, Beater
from mdcoord.services.changes import changed_files, named_files
from mdcoord.services.claims import Claims
from mdcoord.services.documents import Documents
from mdcoord.services.env import Env
from mdcoord.services.report import FAILED, PASSED, SKIPPED, Report, Result, shown

_VIEW: Final = "\n<!-- mdcoord:view quality -->\n<!-- /mdcoord:view -->\n"


class Quality(Documents[Context]):
    """The quality gate of a project. Its reports are documents `context-quality…`."""

    kind = "context"

    def __init__(
        self, env: Env, tasks: Claims, config: Config, folder: Callable[[], str], apart: str | None
    ) -> None:
        """`folder` tells where the project's files are, `apart` what of them is no part of the project."""
        super().__init__(env)
        self._tasks = tasks
        self._config = config
        self._folder = folder
        self._apart = apart

    def checks(self, only: Iterable[str] = ()) -> Sequence[Check]:
        """The checks of this project, or those of these names, with the commands as configured or found.

        Raises UsageError for a name that is no check.
        """
        wanted = frozenset([only] if isinstance(only, str) else only)
        if unknown := sorted(wanted.difference(CHECKS)):
            raise UsageError(f"there is no check {unknown[0]!r}", hint="one of " + ", ".join(CHECKS))
        project = Project(self._folder(), os.environ.get("PATH", ""))
        return [check for check in checks_of(self._config, project) if not wanted or check.name in wanted]

    def run(
        self,
        files: Iterable[str | os.PathLike[str]] = (),
        *,
        task: str | None = None,
        only: Iterable[str] = (),
        base: str | None = None,
        token: str | None = None,
        agent: str | None = None,
        session: str | None = None,
    ) -> Report:
        """Run the checks, all at the same time, and record what they found.

        They look at these files; else at those that differ from the last commit (with `base`, from where the
        work parted from that commit or branch); where there are none, or no git, at the whole project.

        The caller must hold the `task`; its claim is kept alive meanwhile. The report counts for it when
        neither the checks nor the files were chosen by hand. Raises UsageError, ClaimLost, NotFound, Busy.
        Not for use inside of an event loop: there, await it on `workspace.aio`.
        """
        checks, files, folder = self.checks(only), [*files], self._folder()
        chosen = named_files(folder, files) or changed_files(folder, base, apart=self._apart) or None
        who = {"token": token, "agent": agent, "session": session}
        held = None if task is None else self._tasks.heartbeat(task, **who)
        started, begun = self._env.host.stamp(), time.monotonic()
        with self._kept_alive(held, who):
            results = self._results(checks, chosen, folder)
        report = Report(
            results=results,
            files=chosen,
            started_at=started,
            duration_sec=round(time.monotonic() - begun, 3),
            base=base,
            task=None if held is None else held.id,
            attempt=None if held is None else _attempt(held),
            agent=agent or self._env.agent,
        )
        self._record(report, held)
        if held is not None and not (only or files):
            self._show(report, held, who)
        return report

    def show(self, task: str | None = None) -> Context:
        """The last report, of a task or of the project. Raises NotFound."""
        try:
            return self.get(document_name(task))
        except NotFound as error:
            error.hint = f"run `mdcoord quality run{f' --task {task}' if task else ''}`"
            raise

    def _results(self, checks: Sequence[Check], files: Sequence[str] | None, folder: str) -> list[Result]:
        from asyncio import gather

        from mdcoord.services.processes import complete

        environ = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
        environ["NO_COLOR"] = "1"

        async def together() -> list[Result]:
            return await gather(*(self._result(check, files, folder, environ) for check in checks))

        return complete(together)

    async def _result(
        self, check: Check, files: Sequence[str] | None, folder: str, environ: Mapping[str, str]
    ) -> Result:
        from mdcoord.services.processes import run

        if not check.command:
            return Result(check.name, check.type, SKIPPED, note=check.reason)
        chosen = check.chosen(files)
        if chosen is not None and not chosen:
            note = "none of the changed files is for it"
            return Result(check.name, check.type, PASSED, check.text, note)
        ended = await run(check.arguments(chosen), folder, environ, self._config.quality_timeout)
        status, note = _judged(check, ended.exit_code, ended.output, ended.problem)
        return Result(
            *(check.name, check.type, status, check.text, note),
            exit_code=ended.exit_code,
            duration_sec=round(ended.seconds, 3),
            output=ended.output,
        )

    @contextmanager
    def _kept_alive(self, held: Task | None, who: Mapping[str, str | None]) -> Iterator[None]:
        """Renew the claim in the background, since tests may take longer than it lasts."""
        if held is None or held.holder is None:
            yield
            return

        def beat() -> bool:
            try:
                self._tasks.heartbeat(held.id, **who)
            except MdcoordError:
                pass  # whether it is lost is told in the end
            return True

        beater = Beater()
        beater.add(beat, min(self._env.rules.heartbeat, held.holder.ttl / SHARE))
        try:
            yield
        finally:
            beater.close()

    def _record(self, report: Report, held: Task | None) -> Context:
        now = self._env.host.stamp()
        fields: dict[str, Value] = {
            "title": held.title if held is not None else "the project",
            "project_id": None if held is None else held.project_id,
            "domain": "quality",
            "task_id": report.task,
            "created_by": report.agent,
            "created_at": report.started_at,
            "last_updated": now,
            "data": shown(report),
        }
        kept = {name: value for name, value in fields.items() if value is not None}
        name = document_name(report.task)
        try:
            key = self._key(name)
        except NotFound:
            try:
                return self._typed(self._backend.create(self.kind, kept, body=_VIEW, name=name))
            except AlreadyExists:
                key = Key.of(self.kind, name)  # somebody made it just now
        del kept["created_at"]
        return self._write(key, Change(set={(field,): value for field, value in kept.items()}))

    def _show(self, report: Report, held: Task, who: Mapping[str, str | None]) -> None:
        """Note in the task what was found, for `complete` to look at."""
        facts: dict[str, Value] = {
            "verdict": report.verdict,
            "attempt": report.attempt,
            "at": report.started_at,
            "report": f"{self.kind}-{document_name(report.task)}",
        }
        self._tasks.note(held.id, None, {SHOWN: facts}, **who)


def document_name(task: str | None) -> str:
    """The name of the report's document, without its kind."""
    name = f"quality-{task}" if task else "quality"
    if len(name) <= MAX_NAME:
        return name
    from hashlib import sha256

    return f"{name[: MAX_NAME - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def _judged(check: Check, exit_code: int | None, output: str, problem: str) -> tuple[str, str]:
    """The status of a check that was run, and what to say about it."""
    if problem:
        return FAILED, problem
    if exit_code == check.nothing:
        return SKIPPED, "it found nothing to check"
    if exit_code:
        return FAILED, f"exit code {exit_code}" if exit_code > 0 else f"killed by signal {-exit_code}"
    return (FAILED, "it found something") if check.output_fails and output.strip() else (PASSED, "")


def _attempt(task: Task) -> int:
    lease: Lease | None = task.record.lease
    return lease.attempt if lease else task.attempt
