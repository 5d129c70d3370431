"""How large the parts of a document may be, in one place, for reading and for writing."""

from __future__ import annotations

from typing import Final

MAX_FILE: Final = 10 * 1024 * 1024
"""The largest file in bytes."""

MAX_FRONT_MATTER: Final = 1024 * 1024
"""The largest front matter in bytes."""

MAX_DEPTH: Final = 64
"""How deep mappings and lists may be nested; the front matter itself is the first level."""

MAX_VALUES: Final = 20_000
"""How many keys and values one front matter may hold, aliases counted as what they repeat: a bound for time
and memory."""

MAX_KEY: Final = 160
"""The longest key that is written, in characters. YAML readers look for the colon in the next 1,024
characters only, and an escape takes six.
"""

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1
"""The whole numbers that every reader (JSON, SQLite, Redis) can hold."""
