"""A USB camera that encodes H.264 by itself, as a feed that is passed on as it is.

It must not know encoders or viewers.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from mqcam_device.sources.feed import Bell, EncodedPicture, FeedInfo
from mqcam_device.sources.usb.device import TICKS_HZ, UsbDevice
from mqcam_device.sources.v4l2 import CID_FORCE_KEY_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.media import SourceSettings
    from mqcam_device.sources.usb.device import Host


class UsbFeed:
    """A `Feed` of a camera that encodes H.264 by itself."""

    def __init__(self, settings: SourceSettings, host: Host) -> None:
        self._device = UsbDevice(settings, host)
        self._host = host
        self._has_keyframes = False

    def open(self, bell: Bell) -> FeedInfo:
        """Begin to capture; raises SourceError."""
        self._bell = bell
        self._device.open()
        with contextlib.suppress(OSError):
            self._has_keyframes = self._set_keyframe_control(None)
        return FeedInfo(
            rate_hz=TICKS_HZ,
            fps=self._device.fps,
            can_force_keyframe=self._has_keyframes,
            is_own_clock=True,
        )

    def read(self, timeout_s: float) -> Sequence[EncodedPicture]:
        """Return the picture that has come; raises SourceError."""
        read = self._device.read(timeout_s, self._bell)
        if read is None:
            return ()
        data, timestamp = read
        return (EncodedPicture(data, timestamp, time.monotonic_ns()),)

    def request_keyframe(self) -> bool:
        """Ask the camera, by the control that some have."""
        if self._has_keyframes:
            with contextlib.suppress(OSError):
                return self._set_keyframe_control(1)
        return False

    def close(self) -> None:
        """Let the camera go."""
        self._device.close()

    def _set_keyframe_control(self, value: int | None) -> bool:
        return self._host.set_control(self._device.node, CID_FORCE_KEY_FRAME, value)
