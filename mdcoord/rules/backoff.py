"""How long a task that failed is left alone before it is tried again."""

from __future__ import annotations

from typing import Final, NamedTuple

_MOST_DOUBLINGS: Final = 100


class Backoff(NamedTuple):
    """Longer and longer, up to `cap` seconds.

    After the first failure `base` seconds, after each further one `factor` times as long. With a `base` of 0
    a task may be tried again at once.
    """

    base: float = 5.0
    factor: float = 2.0
    cap: float = 300.0

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures.

        `chance`, from 0 to 1, picks a time between half of the full one and the full one, so that tasks which
        failed together are not tried again together.
        """
        steps = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
        return min(self.base * self.factor**steps, self.cap) * (0.5 + 0.5 * chance)
