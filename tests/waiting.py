"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(met: Callable[[], Any]) -> Any:
    """Look again and again, for at most a minute, and return the first answer that is true."""
    end = time.monotonic() + 60
    while not (found := met()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
    return found
