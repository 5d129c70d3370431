"""Being told of changes: a thread that listens on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from mdcoord.backends.base import Changes
from mdcoord.backends.redis.link import Link
from mdcoord.errors import BackendUnavailable

QUIET: Final = 15.0
"""Seconds without a word after which the server is asked whether it is there."""

AGAIN: Final = 1.0
"""Seconds after which a broken connection is made again."""


class RedisChanges(Changes):
    """Listens to one feed. `ring` is called from its thread; `count` grows before each call."""

    def __init__(self, link: Link, feed: str, ring: Callable[[], None]) -> None:
        self.count = 0
        self._link = link
        self._feed = feed
        self._ring = ring
        self._closed = threading.Event()
        self._connection: Any = None
        self._thread = threading.Thread(target=self._run, name="mdcoord-changes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.disconnect()
        if self._thread is not threading.current_thread():
            self._thread.join(AGAIN)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except (BackendUnavailable, *self._link.broken):
                pass
            finally:
                if self._connection is not None:
                    self._connection.disconnect()
            self._closed.wait(AGAIN)

    def _listen(self) -> None:
        self._connection = connection = self._link.connect(QUIET)
        connection.send_command("SUBSCRIBE", self._feed, check_health=False)
        silent = False
        while not self._closed.is_set():
            try:
                connection.read_response(disconnect_on_error=False)
            except self._link.late:
                if silent:
                    return
                silent = True
                connection.send_command("PING", check_health=False)
                continue
            silent = False
            # The first answer says that we listen: whatever happened until then was not told.
            self.count += 1
            self._ring()
