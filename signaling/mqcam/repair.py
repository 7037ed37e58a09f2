"""Which packets of a stream are missing, and when to ask for each of them (RFC 4585 section 6.2.1).

It must not know packets, pictures or sockets: numbers beyond 16 bits and times come in as
arguments, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ASSUMED_ROUND_TRIP_S: Final = 0.05
"""Until one was measured."""

INTERVAL_ROUND_TRIPS: Final = 1.1
"""A packet that was asked for and did not come after so many round trips is asked for again:
sooner, what is on its way comes twice; at 1.5, loss of 5 % freezes the picture (measured)."""

MIN_INTERVAL_S: Final = 0.022
"""A camera repeats a packet at most once per 20 ms: to ask sooner is in vain."""

GIVE_UP_ROUND_TRIPS: Final = 5

MAX_HOLD_S: Final = 0.02
"""The most that a request waits for a packet that may only have been overtaken."""

HOLD_FOR_S: Final = 10.0
"""How long the path is believed to change the order after it did."""


@dataclass(slots=True)
class _Missing:
    missed_at: float
    asked_at: float = 0.0
    times: int = 0


class Repair:
    """The schedule of requests for one stream; whoever calls ``miss`` bounds what it holds.

    ``round_trip_s`` is set from outside whenever it was measured.
    """

    def __init__(self, *, patience_s: float) -> None:
        """Take the least time for which a packet is worth asking for."""
        self.round_trip_s = ASSUMED_ROUND_TRIP_S
        self._patience_s = patience_s
        self._missing: dict[int, _Missing] = {}
        self._hold_s = 0.0
        self._hold_until = 0.0

    def __len__(self) -> int:
        return len(self._missing)

    @property
    def patience_s(self) -> float:
        """Return how long a packet is awaited, in seconds."""
        return max(self._patience_s, GIVE_UP_ROUND_TRIPS * self.round_trip_s)

    def miss(self, begin: int, end: int, now: float) -> None:
        """Note that the numbers from ``begin`` up to before ``end`` have not come."""
        for number in range(begin, end):
            if number not in self._missing:
                self._missing[number] = _Missing(now)

    def came(self, number: int, now: float, *, is_overtaken: bool) -> None:
        """Note a packet; ``is_overtaken``: later ones came before, and it is no retransmission.

        Where that happens, requests are held back as long: nobody can have repeated it yet.
        """
        missing = self._missing.pop(number, None)
        if missing is None or not is_overtaken:
            return
        late_s = now - missing.missed_at
        if late_s < min(MAX_HOLD_S, self.round_trip_s / 2):
            self._hold_s = min(MAX_HOLD_S, max(self._hold_s, 1.5 * late_s))
            self._hold_until = now + HOLD_FOR_S

    def forget_before(self, number: int) -> None:
        """Ask no more for what is older."""
        if self._missing:
            self._missing = {key: value for key, value in self._missing.items() if key >= number}

    def forget_from(self, number: int) -> None:
        """Ask no more for what is younger: there is nothing."""
        if self._missing:
            self._missing = {key: value for key, value in self._missing.items() if key < number}

    def missed_at(self, number: int) -> float | None:
        """Return when a packet was found missing, None if it was not."""
        missing = self._missing.get(number)
        return None if missing is None else missing.missed_at

    def times_asked(self, number: int) -> int:
        """Return how often a packet was asked for."""
        missing = self._missing.get(number)
        return 0 if missing is None else missing.times

    def due(self, now: float) -> list[int]:
        """Return the 16-bit numbers to ask for now, and count them as asked for."""
        numbers = []
        for number, missing in self._missing.items():
            if now < self._due_at(missing) or now - missing.missed_at > self.patience_s:
                continue
            numbers.append(number & 0xFFFF)
            missing.asked_at = now
            missing.times += 1
        return numbers

    def next_at(self, now: float) -> float | None:
        """Return when ``due`` has something next, None if never."""
        patience_s = self.patience_s
        return min(
            (
                self._due_at(each)
                for each in self._missing.values()
                if now - each.missed_at <= patience_s
            ),
            default=None,
        )

    def _due_at(self, missing: _Missing) -> float:
        if not missing.times:
            hold_s = self._hold_s if missing.missed_at < self._hold_until else 0.0
            return missing.missed_at + hold_s
        return missing.asked_at + max(MIN_INTERVAL_S, INTERVAL_ROUND_TRIPS * self.round_trip_s)
