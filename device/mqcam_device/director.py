"""Join paths, encoders and layers: what each path carries becomes bit rates and moves.

It must not know packets, sockets or a clock of its own: ``decide`` is called with the time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from mqcam_device.media import LOW, MAIN
from mqcam_device.rate.path import PathRate
from mqcam_device.rate.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from mqcam_device.hub import Hub

logger = logging.getLogger(__name__)

UNKNOWN_PATH_BPS: Final = 1_000_000
"""What a path gets of which nothing is known yet."""

HEADERS_SHARE: Final = 1.25
"""A path is tried up to so much more than the encoder's ceiling: headers, and repeats."""


class Director:
    """Decide for all viewers of one camera.

    ``set_bitrate(bps, layer)`` tells an encoder, only when its rate changes.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        set_bitrate: Callable[[int, str], None],
        start_bps: int,
        ceiling_bps: int,
        uplink_max_bps: int | None,
    ) -> None:
        self._hub = hub
        self._set_bitrate = set_bitrate
        self._path_ceiling_bps = int(ceiling_bps * HEADERS_SHARE)
        self._uplink: Uplink[Hashable] = Uplink(
            uplink_max_bps=uplink_max_bps, start_bps=start_bps, ceiling_bps=ceiling_bps
        )
        self._paths: dict[Hashable, PathRate] = {}
        self._bitrates: dict[str, int] = {MAIN: start_bps}

    @property
    def is_idle(self) -> bool:
        """Tell whether there is nobody to decide for."""
        return not self._paths

    def enter(self, key: Hashable, now: float) -> PathRate:
        """Begin to look at a viewer's path."""
        path = PathRate(start_bps=UNKNOWN_PATH_BPS, ceiling_bps=self._path_ceiling_bps, now=now)
        self._paths[key] = path
        return path

    def leave(self, key: Hashable) -> None:
        """Forget a viewer."""
        self._paths.pop(key, None)

    def pin(self, key: Hashable, now: float) -> None:
        """Leave a viewer on the low layer, as it wishes."""
        self._uplink.pin(key, now)

    def note_layers(self, layers: Collection[str]) -> None:
        """Note which layers the source has."""
        self._uplink.allow_low(is_there=LOW in layers)

    def demote(self, key: Hashable, now: float) -> None:
        """Put a viewer who asks for too many keyframes on the low layer."""
        self._uplink.demote(key, now)

    def bitrate_bps(self, key: Hashable) -> int:
        """Return what the encoder of a viewer's layer aims for."""
        return self._bitrates.get(self._hub.layer_of(key) or MAIN, self._bitrates[MAIN])

    @property
    def main_bitrate_bps(self) -> int:
        """What the main layer's encoder aims for."""
        return self._bitrates[MAIN]

    def decide(self, now: float) -> None:
        """Look at all paths and tell encoders and hub what follows: ten times a second."""
        if not self._paths:
            return
        for path in self._paths.values():
            path.tick(now)
        decision = self._uplink.decide(self._paths, now)
        for layer, bitrate_bps in decision.bitrates.items():
            if self._bitrates.get(layer) != bitrate_bps:
                self._bitrates[layer] = bitrate_bps
                self._set_bitrate(bitrate_bps, layer)
        for key, layer in decision.layers.items():
            self._place(key, layer)

    def _place(self, key: Hashable, layer: str) -> None:
        present = self._hub.layer_of(key)
        if present is not None and present != layer:
            self._hub.move(key, layer)
