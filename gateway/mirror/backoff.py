"""When to try again: at once, then full jitter between half a second and a growing limit."""

import random

_FIRST_S, _LONGEST_S = 0.5, 30.0


class Backoff:
    """Delays between attempts of one endpoint (exponential back-off with full jitter)."""

    def __init__(self, chance: random.Random | None = None, *, longest_s: float = _LONGEST_S) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._longest = longest_s
        self._failures = 0

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt; 0 for the first one after a success."""
        failures, self._failures = self._failures, self._failures + 1
        if failures == 0:
            return 0.0
        return self._chance.uniform(_FIRST_S, max(_FIRST_S, min(self._longest, _FIRST_S * 2.0 ** min(failures, 16))))

    def succeeded(self) -> None:
        """Data flows; the next loss is tried again at once."""
        self._failures = 0
