"""Hold an encoder to its bit rate within the first second after a change or a large picture.

It must not know encoders: it hears how large each picture was and says which rate to ask for.
"""

from __future__ import annotations

from typing import Final

REPAY_S: Final = 0.4
"""How quickly a debt or a saving is evened out. x264's own control needs about a second."""

MAX_DEBT_S: Final = 0.5
MAX_SAVING_S: Final = 0.2
"""What is counted at most, in seconds of the rate: a still picture earns no burst."""

LEAST, MOST = 0.5, 1.6
"""Bounds of what is asked for, as parts of the rate: below, the picture would fall apart."""

STEP: Final = 0.03
"""Smaller changes are not worth telling the encoder."""


class Steering:
    """An account of bits spent and bits earned.

    ``asked_bps`` is what the encoder should be told, never above ``max_bitrate_bps``.
    """

    def __init__(self, *, bitrate_bps: int, max_bitrate_bps: int) -> None:
        self._max_bitrate_bps = max_bitrate_bps
        self._bitrate_bps = bitrate_bps
        self._debt_bits = 0.0
        self.asked_bps = bitrate_bps

    def aim(self, bitrate_bps: int) -> None:
        """Hold another rate from now on."""
        self._bitrate_bps = bitrate_bps
        self._decide()

    def note(self, *, bits: int, elapsed_s: float) -> None:
        """Book a picture and the time since the one before."""
        rate_bps = self._bitrate_bps
        debt_bits = self._debt_bits + bits - rate_bps * elapsed_s
        self._debt_bits = min(max(debt_bits, -rate_bps * MAX_SAVING_S), rate_bps * MAX_DEBT_S)
        self._decide()

    def _decide(self) -> None:
        part = 1 - self._debt_bits / (self._bitrate_bps * REPAY_S)
        wanted_bps = min(
            int(self._bitrate_bps * min(max(part, LEAST), MOST)), self._max_bitrate_bps
        )
        if abs(wanted_bps - self.asked_bps) > STEP * self.asked_bps:
            self.asked_bps = wanted_bps
