"""What is wrong with a text, and at which index of it."""

from __future__ import annotations


class Fault(Exception):
    """A text that cannot be read. `index` counts characters of the text that was given to the raising
    function.
    """

    def __init__(self, message: str, index: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.index = index
        self.hint = hint

    def moved(self, by: int) -> Fault:
        """The same fault, seen from a text that starts `by` characters earlier."""
        return Fault(self.message, self.index + by, self.hint)
