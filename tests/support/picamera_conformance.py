"""The conformance suite on the picamera source: for a process that sees the fake camera.

``python -m pytest`` is given this file by name there (tests/integration/test_conformance_picamera);
the fakes take over a process's own calls, so that no other tests can run in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from fakes.scene import PI_4, PI_5, VARIABLE, Scene
from mqcam_device.conformance import CaptureConformance, Fault, Rig, SourceConformance
from mqcam_device.media import SourceSettings
from support.picamera import FakeCamera


class Pi4Rig(Rig):
    """A camera module 3 on a Pi with the VideoCore's encoder."""

    settings = SourceSettings(kind="picamera", width=1280, height=720, bitrate_bps=1_200_000)
    faults: ClassVar = (Fault.STALL, Fault.DEATH, Fault.GARBAGE, Fault.VANISH)
    devices: ClassVar = PI_4

    def open(self) -> None:
        self.camera = FakeCamera(Path(os.environ[VARIABLE]), Scene(devices=self.devices))

    def strike(self, fault: Fault) -> None:
        strikes = {
            Fault.STALL: self.camera.stall,
            Fault.DEATH: self.camera.cancel,
            Fault.GARBAGE: self.camera.spoil,
            Fault.VANISH: self.camera.vanish,
        }
        strikes[fault]()

    def heal(self) -> None:
        self.camera.heal()


class Pi5Rig(Pi4Rig):
    """The same on a Pi that encodes with libx264."""

    devices = PI_5


class TestPi4(SourceConformance):
    """With the VideoCore's encoder, in this process."""

    rig_type = Pi4Rig


class TestPi5(SourceConformance):
    """With libx264, in this process."""

    rig_type = Pi5Rig


class TestPi4InItsChild(CaptureConformance):
    """With the VideoCore's encoder, in the capture child."""

    rig_type = Pi4Rig
