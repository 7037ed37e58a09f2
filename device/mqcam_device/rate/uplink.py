"""What the encoders aim for, and who gets which layer: one decision over all viewers' paths.

It must not know how a path is measured, nor encoders, sockets or clocks: times are arguments, in
seconds. Why it decides so: docs/decisions/rate.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from mqcam_device.media import LOW, LOW_MAX_BITRATE_BPS, MAIN, MIN_BITRATE_BPS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

Key = TypeVar("Key", bound="Hashable")

PAYLOAD_SHARE: Final = 0.94
"""Of what a path carries, so much is picture: the rest is headers of RTP, SRTP, UDP and IP."""

FLOOR_BPS: Final = 500_000
FLOOR_SHARE: Final = 0.4
"""Below the first, or this share of the median, a viewer goes to the low layer."""

PATIENCE_S: Final = 0.4
HOPELESS: Final = 0.5
"""A path must be below the floor for so long, but below this share of it for no time at all."""

RISE: Final = 1.03
"""An encoder is told of a rise of at least this factor, and of every fall."""

JOINT_S: Final = 2.0
"""So long after all were congested at once nobody is demoted: it was the camera's uplink."""

ROOM: Final = 1.25
TRIAL_S: Final = 2.0
PROVEN_S: Final = 15.0
FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 120.0
"""A viewer on the low layer is tried on the main one after a wait without congestion, if its line
seems to have room. Each trial that fails doubles the wait; who stays for `PROVEN_S` begins anew."""


class Path(Protocol):
    """What must be known of a viewer's path; `PathRate` is one."""

    estimate_bps: float
    is_congested: bool
    is_probing: bool
    is_silent: bool

    @property
    def target_bps(self) -> int:
        """What to send on it now."""
        ...

    @property
    def is_limited(self) -> bool:
        """Whether it was too full of late."""
        ...

    @property
    def burst_bps(self) -> float | None:
        """What its narrowest line seems to let through; None if unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Generic[Key]):
    """What each encoder aims for (layers that somebody is on), and the layer of each viewer."""

    bitrates: dict[str, int]
    layers: dict[Key, str]


@dataclass(slots=True)
class _Viewer:
    """Where a viewer stands: ``since`` when it came to its layer, ``calm_at`` its last trouble."""

    since: float
    calm_at: float
    calm_before: float = 0.0
    troubled_at: float | None = None
    layer: str = MAIN
    is_trial: bool = False
    is_pinned: bool = False
    low_since: float | None = None
    wait_s: float = FIRST_WAIT_S


@dataclass(slots=True)
class _Audience(Generic[Key]):
    """The paths by layer, for one decision."""

    main: dict[Key, Path] = field(default_factory=dict)
    low: dict[Key, Path] = field(default_factory=dict)


class Uplink(Generic[Key]):
    """Decides for one camera. ``uplink_max_bps`` bounds what all viewers get together."""

    def __init__(
        self,
        *,
        uplink_max_bps: int | None,
        start_bps: int,
        ceiling_bps: int,
    ) -> None:
        self._uplink_max_bps = uplink_max_bps
        self._ceiling_bps = ceiling_bps
        self._has_low_layer = True
        self._viewers: dict[Key, _Viewer] = {}
        self._bitrates = {MAIN: min(start_bps, ceiling_bps)}
        self._joint_at: float | None = None

    def decide(self, paths: Mapping[Key, Path], now: float) -> Decision[Key]:
        """Decide anew: call ten to twenty times a second, and when a viewer comes or goes."""
        self._follow(paths, now)
        if len(paths) > 1 and all(path.is_congested for path in paths.values()):
            self._joint_at = now
        if self._has_low_layer:
            floor_bps = self._floor_bps(paths)
            for key, path in paths.items():
                self._place(self._viewers[key], path, floor_bps, now)
        audience = self._audience(paths)
        wanted = {}
        if audience.low:
            wanted[LOW] = self._low_bps(audience.low)
        if audience.main:
            wanted[MAIN] = self._main_bps(audience.main, now)
        self._bitrates = self._steady(self._within_uplink(wanted, audience))
        return Decision(
            bitrates=dict(self._bitrates),
            layers={key: viewer.layer for key, viewer in self._viewers.items()},
        )

    def allow_low(self, *, is_there: bool) -> None:
        """Note whether the source has a low layer; without one everybody is on the main layer."""
        self._has_low_layer = is_there
        if not is_there:
            for viewer in self._viewers.values():
                viewer.layer = MAIN

    def demote(self, key: Key, now: float) -> None:
        """Put a viewer on the low layer for another reason: it asks for too many keyframes."""
        viewer = self._viewers.get(key)
        if viewer is not None and viewer.layer == MAIN and self._has_low_layer:
            _demote(viewer, now)

    def pin(self, key: Key, now: float) -> None:
        """Leave a viewer on the low layer for as long as it stays, as it wishes."""
        if self._has_low_layer:
            viewer = self._viewers.setdefault(key, _Viewer(since=now, calm_at=now))
            viewer.is_pinned = True
            _demote(viewer, now)

    def _follow(self, paths: Mapping[Key, Path], now: float) -> None:
        for key in [key for key in self._viewers if key not in paths]:
            del self._viewers[key]
        for key in paths:
            self._viewers.setdefault(key, _Viewer(since=now, calm_at=now))

    def _floor_bps(self, paths: Mapping[Key, Path]) -> float:
        rates = [
            self._potential_bps(path)
            for key, path in paths.items()
            if self._viewers[key].layer == MAIN and not path.is_silent
        ]
        return max(FLOOR_BPS, FLOOR_SHARE * median(rates)) if rates else FLOOR_BPS

    def _potential_bps(self, path: Path) -> float:
        """Return what a path may carry: who was never tried must not look slow."""
        if path.is_limited or path.burst_bps is None:
            return path.estimate_bps
        return max(path.estimate_bps, min(self._ceiling_bps, path.burst_bps / ROOM))

    def _is_joint(self, now: float) -> bool:
        return self._joint_at is not None and now - self._joint_at < JOINT_S

    def _place(self, viewer: _Viewer, path: Path, floor_bps: float, now: float) -> None:
        self._note_trouble(viewer, path, now)
        if viewer.layer == LOW:
            is_calm = now - viewer.calm_at >= viewer.wait_s
            if is_calm and not viewer.is_pinned and self._has_room(path):
                _try(viewer, now)
        elif viewer.is_trial:
            viewer.is_trial = now - viewer.since < TRIAL_S and not path.is_congested
        elif self._is_below(path, floor_bps, now):
            self._doubt(viewer, path, floor_bps, now)
        else:
            viewer.low_since = None
            if now - viewer.since > PROVEN_S:
                viewer.wait_s = FIRST_WAIT_S

    def _note_trouble(self, viewer: _Viewer, path: Path, now: float) -> None:
        """Note a viewer's own trouble; what all have at once says nothing about it.

        Four who share the camera's uplink make it too full every few seconds: one of them who is
        on the low layer would wait there for ever.
        """
        if path.is_congested:
            if viewer.troubled_at is None:
                viewer.troubled_at = now
            viewer.calm_at = now
        elif viewer.troubled_at is not None:
            if self._joint_at is not None and self._joint_at >= viewer.troubled_at:
                viewer.calm_at = viewer.calm_before
            viewer.calm_before, viewer.troubled_at = viewer.calm_at, None

    def _is_below(self, path: Path, floor_bps: float, now: float) -> bool:
        if path.is_probing or path.is_silent or path.estimate_bps >= floor_bps:
            return False
        return path.estimate_bps < FLOOR_BPS or not self._is_joint(now)

    def _doubt(self, viewer: _Viewer, path: Path, floor_bps: float, now: float) -> None:
        """Obey a viewer below the floor no longer, and demote it once it is proven slow.

        If more is too much for it alone, it goes; if it is too much for all, they have one uplink
        in common.
        """
        if viewer.low_since is None:
            viewer.low_since = now
        is_hopeless = path.estimate_bps < HOPELESS * floor_bps
        is_proven = path.is_congested or path.estimate_bps < FLOOR_BPS
        if is_proven and (is_hopeless or now - viewer.low_since >= PATIENCE_S):
            _demote(viewer, now)

    def _has_room(self, path: Path) -> bool:
        """Tell whether the main layer is worth a trial."""
        wanted_bps = self._bitrates.get(MAIN, FLOOR_BPS) * ROOM
        return not path.is_silent and (path.burst_bps is None or path.burst_bps > wanted_bps)

    def _audience(self, paths: Mapping[Key, Path]) -> _Audience[Key]:
        audience: _Audience[Key] = _Audience()
        for key, path in paths.items():
            layer = audience.main if self._viewers[key].layer == MAIN else audience.low
            layer[key] = path
        return audience

    def _main_bps(self, paths: dict[Key, Path], now: float) -> float:
        """Return what suits the healthy viewers; those below the floor are not obeyed."""
        targets = [path.target_bps for key, path in paths.items() if self._is_obeyed(key, path)]
        if not targets:
            targets = [path.target_bps for path in paths.values()]
        # In a joint congestion who is served last in each round loses most: the mean is fair.
        rate_bps = fmean(targets) if self._is_joint(now) else min(targets)
        return min(max(rate_bps * PAYLOAD_SHARE, MIN_BITRATE_BPS), self._ceiling_bps)

    def _is_obeyed(self, key: Key, path: Path) -> bool:
        viewer = self._viewers[key]
        is_known = not (path.is_probing or path.is_silent)
        return is_known and not viewer.is_trial and viewer.low_since is None

    def _low_bps(self, paths: dict[Key, Path]) -> float:
        targets = [path.target_bps for path in paths.values() if not path.is_silent]
        rate_bps = min(targets, default=MIN_BITRATE_BPS) * PAYLOAD_SHARE
        return min(max(rate_bps, MIN_BITRATE_BPS), LOW_MAX_BITRATE_BPS)

    def _within_uplink(
        self, wanted: dict[str, float], audience: _Audience[Key]
    ) -> dict[str, float]:
        """Divide the configured uplink: the low layer first, what is left among the others."""
        if self._uplink_max_bps is None:
            return wanted
        left_bps = self._uplink_max_bps * PAYLOAD_SHARE
        bounded = {}
        for layer, viewers in ((LOW, len(audience.low)), (MAIN, len(audience.main))):
            if layer in wanted:
                bounded[layer] = max(MIN_BITRATE_BPS, min(wanted[layer], left_bps / viewers))
                left_bps -= bounded[layer] * viewers
        return bounded

    def _steady(self, wanted: dict[str, float]) -> dict[str, int]:
        """Leave out rises too small to matter: each change costs the encoder some quality."""
        steady = {}
        for layer, rate_bps in wanted.items():
            present_bps = self._bitrates.get(layer)
            is_small = present_bps is not None and present_bps < rate_bps < RISE * present_bps
            at_top = layer == MAIN and rate_bps >= self._ceiling_bps
            steady[layer] = (
                present_bps if present_bps and is_small and not at_top else int(rate_bps)
            )
        return steady


def _demote(viewer: _Viewer, now: float) -> None:
    viewer.layer, viewer.is_trial, viewer.low_since = LOW, False, None
    viewer.since = viewer.calm_at = viewer.calm_before = now


def _try(viewer: _Viewer, now: float) -> None:
    """Put a viewer on the main layer again; the next wait is longer if it does not stay."""
    viewer.layer, viewer.is_trial, viewer.low_since = MAIN, True, None
    viewer.since = now
    viewer.wait_s = min(2 * viewer.wait_s, LONGEST_WAIT_S)
