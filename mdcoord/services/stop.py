"""The request to stop working: by a call or by a signal, from any thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """What is at hand may be finished in `grace` seconds; a second signal, or `now`, leaves it no time.

    `ring` is called with each request, also in a signal handler.
    """

    def __init__(self, grace: float, ring: Callable[[], None]) -> None:
        self.now = False
        """Whether all has to end at once."""
        self._grace = grace
        self._ring = ring
        self._asked: float | None = None
        self._signalled = False

    @property
    def asked(self) -> bool:
        """Whether anybody asked to stop."""
        return self._asked is not None

    @property
    def over(self) -> bool:
        """Whether the grace time is over, too."""
        return self.now or (self._asked is not None and time.monotonic() - self._asked >= self._grace)

    def ask(self, *, now: bool = False) -> None:
        """Stop. May be called again."""
        self._asked = self._asked or time.monotonic()
        self.now = self.now or now
        self._ring()

    def told(self) -> str:
        """What to tell whoever sent the first signal, once; "" where there is nothing to wait for."""
        signalled, self._signalled = self._signalled, False
        if not (signalled and self._grace):
            return ""
        return f"stopping; what is at hand has {self._grace:g} s to end, or ends at a second signal"

    @contextmanager
    def at_signals(self) -> Iterator[None]:
        """SIGINT, SIGTERM and SIGHUP ask, where this is the main thread and nobody ignores them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: object) -> None:
            self._signalled = not self.asked
            self.ask(now=self.asked)

        before = {}
        for name in _SIGNALS:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup`, and jobs in the background
                before[number] = signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
