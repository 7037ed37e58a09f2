"""Cameras that are not ours to drive, USB and RTSP, keep what every source promises."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

from fakes.usb_cameras import FakeHost
from mqcam_device.conformance import CaptureConformance, Fault, Rig, SourceConformance
from mqcam_device.media import SourceSettings
from mqcam_device.sources.pattern import Pattern
from mqcam_device.sources.selection import make_usb
from support.clips import encode
from support.rtsp_server import RtspServer, Stream

if TYPE_CHECKING:
    from mqcam_device.media import VideoSource

SIZE = (320, 240)
CLIP = encode(15)


class RtspRig(Rig):
    """A network camera with a keyframe each half second."""

    faults: ClassVar = (Fault.STALL, Fault.DEATH, Fault.GARBAGE, Fault.VANISH)

    def open(self) -> None:
        self.server = RtspServer(Stream(CLIP))
        self.settings = SourceSettings(kind="rtsp", url=self.server.url, fps_min=10.0)
        self._is_gone = False

    def close(self) -> None:
        self.server.stop()

    def strike(self, fault: Fault) -> None:
        if fault is Fault.STALL:
            self.server.wishes.is_stalled = True
        elif fault is Fault.GARBAGE:
            self.server.wishes.says_garbage = True
        elif fault is Fault.VANISH:
            self._is_gone = True
            self.server.refuse()
            self.server.hang_up()
        else:
            self.server.hang_up()

    def heal(self) -> None:
        self.server.wishes.is_stalled = self.server.wishes.says_garbage = False
        if self._is_gone:
            self._is_gone = False
            self.server.listen_again()


class UsbRig(Rig):
    """A webcam that sends motion JPEG."""

    format: ClassVar = "mjpeg"
    faults: ClassVar = (Fault.STALL, Fault.DEATH, Fault.GARBAGE, Fault.VANISH)

    def open(self) -> None:
        pattern = Pattern(width=SIZE[0], height=SIZE[1], fps=30, label="usb")
        self.host = FakeHost(
            self.folder,
            self.format,
            size=SIZE,
            draw=lambda number: pattern.read(number * 33_000_000),
        )
        self.settings = SourceSettings(
            kind="usb", width=SIZE[0], height=SIZE[1], fps_min=10.0, bitrate_bps=400_000
        )

    def make(self) -> VideoSource:
        return make_usb(self.settings, self.host)

    def strike(self, fault: Fault) -> None:
        behaviour = self.host.behaviour
        behaviour.is_stalled = fault is Fault.STALL
        behaviour.is_damaged = fault is Fault.GARBAGE
        behaviour.read_error = errno.ENODEV if fault in {Fault.DEATH, Fault.VANISH} else 0
        behaviour.open_error = errno.ENODEV if fault is Fault.VANISH else 0

    def heal(self) -> None:
        behaviour = self.host.behaviour
        behaviour.is_stalled = behaviour.is_damaged = False
        behaviour.read_error = behaviour.open_error = 0


class UsbH264Rig(UsbRig):
    """A webcam that encodes by itself."""

    format = "h264"


class TestRtsp(SourceConformance):
    """A network camera, in this process."""

    rig_type = RtspRig


class TestRtspInItsChild(CaptureConformance):
    """The same in the capture child."""

    rig_type = RtspRig


class TestUsb(SourceConformance):
    """Motion JPEG, in this process."""

    rig_type = UsbRig


class TestUsbH264(SourceConformance):
    """H.264 from the camera, in this process."""

    rig_type = UsbH264Rig
