"""A camera's own pictures made fit for viewers: complete keyframes, true times, nothing they lack.

It must not know cameras, threads or clocks. What no browser shows live is refused with a sentence
that says what to change in the camera.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from mqcam import h264
from mqcam.errors import SourceError

from mqcam_device.media import AccessUnit
from mqcam_device.sources.feed import MAX_PICTURE_BYTES
from mqcam_device.sources.slew import NS, CameraClock

if TYPE_CHECKING:
    from mqcam.h264 import SequenceParameters

    from mqcam_device.sources.feed import EncodedPicture, FeedInfo

_PROFILES: Final = {"42", "4d", "64"}
"""Baseline, Main and High: 8 bits, 4:2:0."""

RATE_PICTURES: Final = (8, 30)
"""The frame rate is the median interval of the last so many pictures, at least and at most."""

DEFAULT_FPS: Final = 25.0
_FPS_RANGE: Final = (0.2, 120.0)


class Unfit(SourceError):
    """A stream that no viewer could show: only a change in the camera helps."""


class Intake:
    """Pictures of one connection to units, whose numbers and times go on over connections."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seq = 0
        self._last_ns = 0

    def begin(self, info: FeedInfo) -> None:
        """Begin a connection; raises Unfit."""
        self._clock = CameraClock(rate_hz=info.rate_hz, bits=info.bits, is_own=info.is_own_clock)
        self._normaliser = h264.Normaliser()
        self._sequence: bytes | None = None
        self._is_broken = False
        self._times_ns: deque[int] = deque(maxlen=RATE_PICTURES[1] + 1)
        self._told_fps = info.fps
        self.parameters: SequenceParameters | None = None
        self._normaliser.add_parameter_sets(info.parameter_sets)
        self._check_sequence()

    @property
    def fps(self) -> float:
        """The frame rate: as measured, before that as told."""
        if len(self._times_ns) > RATE_PICTURES[0]:
            fps = NS / median(after - before for before, after in pairwise(self._times_ns))
        else:
            fps = self._told_fps or DEFAULT_FPS
        return min(max(fps, _FPS_RANGE[0]), _FPS_RANGE[1])

    def take(self, picture: EncodedPicture) -> AccessUnit | None:
        """Return a picture as a unit; None before the first keyframe and for what lacks others.

        Raises Unfit.
        """
        at_ns = self._clock.captured_ns(picture.timestamp, picture.arrived_ns)
        self._times_ns.append(at_ns)
        normal = self._normaliser.normalise(picture.data)
        self._check_sequence()
        if normal is None:
            return None
        data, is_keyframe = normal
        is_lost = len(data) > MAX_PICTURE_BYTES
        is_after_loss = not is_keyframe and (self._is_broken or picture.is_after_loss)
        self._is_broken = is_lost or is_after_loss
        if self._is_broken:
            return None
        if not is_keyframe and h264.has_b_slices(data):
            text = "its pictures refer to later ones (B-frames), which cannot be shown live"
            raise Unfit(self._name, f"{text}: set the camera's B-frames to 0, or profile Baseline")
        # The time of the next connection may begin a little behind.
        self._last_ns = max(at_ns, self._last_ns + 1000)
        unit = AccessUnit(data, self._last_ns, is_keyframe, self._seq)
        self._seq += 1
        return unit

    def _check_sequence(self) -> None:
        """Read a sequence's parameters when they change."""
        sequence = self._normaliser.sequence
        if sequence is None or sequence == self._sequence:
            return
        parameters = h264.parse_sps(sequence)
        if parameters.profile_level_id[:2] not in _PROFILES:
            text = "its H.264 has a profile that viewers cannot show"
            raise Unfit(self._name, f"{text}: set it to Baseline, Main or High in the camera")
        if not parameters.is_progressive:
            text = "its pictures are interlaced, which viewers cannot show"
            raise Unfit(self._name, f"{text}: set the camera to a progressive size, such as 720p")
        self._sequence, self.parameters = sequence, parameters
