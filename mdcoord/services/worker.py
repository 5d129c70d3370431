"""A worker: claims tasks that are ready, works on them, writes down what came of it, and again.

One thread claims and watches, and one thread for each task works; heartbeats come from one more (`beater`).
The worker's claims name its process, so they are over when it is, however it ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from mdcoord.backends.base import Changes
from mdcoord.errors import MdcoordError, NothingReady, UsageError
from mdcoord.services.badge import Badge
from mdcoord.services.desk import Desk
from mdcoord.services.documents import texts
from mdcoord.services.env import Env
from mdcoord.services.headway import Headway
from mdcoord.services.job import RELEASED, Job, Outcome
from mdcoord.services.stop import Stop
from mdcoord.services.wake import Bell, folder_sign
from mdcoord.services.work import Function, work_of

GRACE: Final = 5.0
"""Seconds in which tasks may still be finished after the request to stop."""

IDLE: Final = "idle"
LIMIT: Final = "limit"
STOPPED: Final = "stopped"

_LONGEST_TROUBLE: Final = 30.0


@dataclass(slots=True)
class Worked:
    """What a worker did, and why it ended: `idle`, `limit` or `stopped`."""

    completed: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0
    ended: str = ""

    def count(self, verdict: str) -> None:
        """One more of these."""
        setattr(self, verdict, getattr(self, verdict) + 1)


class Worker:
    """Works for one agent until it is stopped, has done enough, or was idle for too long.

        with Workspace.open(agent="ai-engineer") as w:
            Worker(w, train, can=["training"], jobs=2, idle=600).run()

    `work` is a function of the claim, plain or async, or a `Command`. `can` are capabilities (None: those
    that the agent registered), `jobs` how many tasks it works on at a time, `limit` how many in all, `idle`
    the seconds without work after which it ends (0: when nothing is ready), `grace` the seconds that tasks
    get after the request to stop. `on_end` is told how each task ended, `note` what goes wrong beside.

    A worker runs once. Raises UsageError.
    """

    def __init__(
        self,
        desk: Desk,
        work: Any,
        *,
        agent: str | None = None,
        can: Iterable[str] | None = None,
        jobs: int = 1,
        limit: int | None = None,
        idle: float | None = None,
        ttl: float | None = None,
        grace: float = GRACE,
        on_end: Callable[[Outcome], None] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        if jobs < 1 or (limit is not None and limit < 1):
            raise UsageError("a worker does at least one task", hint="jobs and limit are 1 or more")
        env: Env = desk.tasks._env
        self.agent = env.named(agent)
        self.worked = Worked()
        self._desk = desk
        self._env = env
        self._work = work_of(work)
        self._can = None if can is None else texts(can, "can")
        self._room = jobs
        self._limit = limit
        self._idle = idle
        self._ttl = ttl
        self._on_end = on_end or _ignore
        self._note = note or _ignore
        self._changes: Changes | None = None
        look = folder_sign(desk.root)
        self._bell = Bell(lambda: self._changes.count if self._changes else look(), env.host.chance)
        self._jobs: list[Job] = []
        self._left: list[Job] = []
        self._taken = 0
        self._trouble = 0
        self._returned: Counter[str] = Counter()
        self._vain = False
        self._refusal: str | None = None
        self._active = 0.0
        self._stop = Stop(grace, self._bell.ring)
        self._headway = Headway(desk.progress)
        self._badge = Badge(desk, env, self.agent, self._can, jobs, self._note)

    def run(self) -> Worked:
        """Work. SIGINT, SIGTERM and SIGHUP stop it, where this is the main thread: a second one at once.

        Raises what keeps it from working at all; its claims are given back before.
        """
        self._active = time.monotonic()
        with self._stop.at_signals():
            try:
                self._changes = self._env.backend.changes(self._bell.ring)
                self._badge.put_on()
                while not self._over():
                    self._tend()
                    if self._has_room() and self._bell.look():
                        self._take()
                    else:
                        self._bell.wait()
            finally:
                self._wind_up()
        return self.worked

    async def serve(self) -> Worked:
        """`run` for asyncio: coroutine functions run in the present event loop. Cancelling stops it."""
        if isinstance(self._work, Function):
            self._work.loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(asyncio.to_thread(self.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.stop()
            await running
            raise

    def stop(self, *, now: bool = False) -> None:
        """Claim nothing more, and end when the tasks at hand are done, after the grace time in any case.

        With `now` without a grace time. What is not done is given back. May be called from any thread and
        from a signal handler, and again.
        """
        self._stop.ask(now=now)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.asked

    def _over(self) -> bool:
        if self._jobs:
            return False
        if self.stopping:
            self.worked.ended = STOPPED
        elif self._limit is not None and self._taken >= self._limit:
            self.worked.ended = LIMIT
        elif self._vain and self._idle is not None and time.monotonic() - self._active >= self._idle:
            self.worked.ended = IDLE
        return bool(self.worked.ended)

    def _has_room(self) -> bool:
        more = self._limit is None or self._taken < self._limit
        return more and not self.stopping and len(self._jobs) + len(self._left) < self._room

    def _take(self) -> None:
        try:
            claim = self._desk.tasks.claim(agent=self.agent, can=self._can, ttl=self._ttl)
        except NothingReady as nothing:
            self._vain, self._trouble = True, 0
            self._bell.nothing()
            self._tell_refusal(nothing)
            self._headway.show()
            return
        except MdcoordError as error:
            if not error.retryable:
                raise
            self._wait_out(error)
            return
        self._vain, self._trouble = False, 0
        self._active = time.monotonic()
        self._taken += 1
        self._bell.found()
        try:
            job = Job(claim, self._work, self._desk, self._env, self._bell.ring)
            job.start()
        except BaseException:
            claim.release()
            raise
        self._jobs.append(job)

    def _tell_refusal(self, nothing: NothingReady) -> None:
        """Say once why this agent is given nothing, whatever there is: it waits, and nobody would see why."""
        refusal = nothing.details.get("refusal")
        if refusal and refusal != self._refusal:
            self._note(str(nothing))
        self._refusal = refusal

    def _wait_out(self, error: MdcoordError) -> None:
        """The store is busy or cannot be reached: try again, later and later."""
        self._note(str(error))
        pause = min(0.5 * 2**self._trouble, _LONGEST_TROUBLE)
        self._bell.pause(pause * (0.5 + 0.5 * self._env.host.chance()))
        self._trouble = min(self._trouble + 1, 10)

    def _tend(self) -> None:
        """Watch over the tasks at hand, and report those that are over."""
        if (told := self._stop.told()) and self._jobs:
            self._note(told)
        for job in [*self._jobs]:
            if self._stop.over:
                job.stop(hard=self._stop.now)
            job.watch()
            if job.outcome is not None:
                self._jobs.remove(job)
                self._report(job, job.outcome)
        self._left = [job for job in self._left if job.running]
        self._badge.show(busy=bool(self._jobs))

    def _report(self, job: Job, outcome: Outcome) -> None:
        if job.running:
            self._left.append(job)  # a plain function that goes on in vain takes room like any other
        self._active, self._vain = time.monotonic(), False
        self._bell.again()
        if outcome.verdict == RELEASED:
            self._returned[outcome.task.id] += 1
            # Who gives the same task back again and again must not do so all the time.
            again = self._returned[outcome.task.id] - 2
            self._bell.pause(0.0 if again < 0 else min(2.0**again, _LONGEST_TROUBLE))
        self.worked.count(outcome.verdict)
        self._headway.made(outcome.task)
        self._on_end(outcome)

    def _wind_up(self) -> None:
        """Give back what is left, which is something only after an error, and say goodbye."""
        if self._jobs:
            self._on_end = _ignore  # it may be what failed
            self.stop(now=True)
        while self._jobs:
            self._tend()
            self._bell.wait()
        self._headway.show()
        self._work.close()
        self._badge.take_off()
        if self._changes:
            self._changes.close()


def _ignore(_: Any) -> None:
    pass
