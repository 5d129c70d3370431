"""What this process has lately written or fetched, as it is stored: a first guess at what is there now."""

from __future__ import annotations

from typing import Final

from mdcoord.model import Key

Raw = tuple[bytes | None, bytes | None]
"""The text and the lease of a document as they are stored."""

MOST: Final = 512
LONGEST: Final = 65536
"""Bytes; longer texts are read again."""


class Recent:
    """The newest few. Others may have changed them since: only for steps that look whether it is so."""

    def __init__(self) -> None:
        self._known: dict[Key, Raw] = {}

    def get(self, key: Key) -> Raw | None:
        """What is known of a document."""
        return self._known.get(key)

    def note(self, key: Key, raw: Raw) -> None:
        """This is how it is now."""
        if raw[0] is None or len(raw[0]) > LONGEST:
            self.forget(key)
            return
        if len(self._known) >= MOST:
            for old in [*self._known][: MOST // 2]:
                self.forget(old)
        self._known[key] = raw

    def forget(self, key: Key) -> None:
        """It is not known any more."""
        self._known.pop(key, None)
