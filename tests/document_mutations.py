"""Random damage to a text: what editors, merges and typing do to documents."""

from __future__ import annotations

import random

PIECES = (
    "\n", " ", "  ", "- ", ": ", "#", '"', "'", "[", "]", "{", "}", ",", "&a ", "*a", "!!int ", "---\n",
     "|", ">", "\t", "? ",
    "<<: ", "%", "@", "\r", "\x00", "\ud800", "\ufeff", "\x85", "\u2028", "é", "\\", "...\n", "=======\n",
     "null", "0x1",
)  # fmt: skip


def mutated(text: str, chance: random.Random) -> str:
    """The text with one to three pieces put in, cut out, copied or replaced."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randint(0, len(text))
        what = chance.randint(0, 3)
        if what == 0:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif what == 1:
            text = text[:at] + text[at + chance.randint(1, 4) :]
        elif what == 2:
            other = chance.randint(0, len(text))
            text = text[:at] + text[other : other + chance.randint(1, 20)] + text[at:]
        else:
            text = text[:at] + chance.choice(PIECES) + text[at + 1 :]
    return text
