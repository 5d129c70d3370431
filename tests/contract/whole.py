"""All that every backend has to keep, as one class; a backend's own test file derives from it."""

from __future__ import annotations

from .agents import AgentsContract
from .claims import ClaimsContract
from .failures import FailuresContract
from .machine import MachineContract
from .memos import MemosContract
from .moving import MovingContract
from .planning import PlanningContract
from .roundtrip import RoundTripContract
from .suite import BackendContract


class WholeContract(
    BackendContract,
    ClaimsContract,
    AgentsContract,
    PlanningContract,
    FailuresContract,
    MachineContract,
    MemosContract,
    MovingContract,
    RoundTripContract,
):
    """The contract of a store, and of the services on it."""
