"""A machine whose clocks and processes a test moves by hand."""

from __future__ import annotations

from mdcoord.host import Host

START = 1_770_000_000.0


class FakeHost(Host):
    """`forward` moves all clocks; `jump` only the wall clock, as a wrong correction would. No process is
    alive that is not in `living`. Chance is what `luck` says.
    """

    def __init__(self, name: str = "here", boot: str = "boot-1", now: float = START) -> None:
        self.name = name
        self.boot = boot
        self.processes = f"{boot}/pids"
        self.living: dict[int, str] = {}
        self.luck = 0.5
        self._now = now
        self._uptime = 1000.0

    def now(self) -> float:
        return self._now

    def uptime(self) -> float:
        return self._uptime

    def forward(self, seconds: float) -> None:
        self._now += seconds
        self._uptime += seconds

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def chance(self) -> float:
        return self.luck

    def started(self, pid: int) -> str:
        return self.living.get(pid, "")

    def alive(self, pid: int, started: str) -> bool:
        return pid in self.living and self.living[pid] == started
