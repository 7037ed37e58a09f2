"""Say something to the same name at most once per interval.

It must not know what is said.
"""

from __future__ import annotations


class Quota:
    """Allow one word per (name, code) and interval.

    When ``names_max`` pairs are remembered and none has expired, further ones get no word.
    """

    def __init__(self, *, interval_s: float, names_max: int) -> None:
        self._interval_s = interval_s
        self._names_max = names_max
        self._until: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def take(self, name: str, code: str, now: float) -> bool:
        """Tell whether ``name`` may be told ``code`` now."""
        pair = (name, code)
        if now < self._until.get(pair, now):
            return False
        if pair not in self._until and len(self._until) >= self._names_max:
            self._until = {known: at for known, at in self._until.items() if at > now}
            if len(self._until) >= self._names_max:
                return False
        self._until[pair] = now + self._interval_s
        return True
