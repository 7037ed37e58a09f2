"""What a source's author says about it: how it is made, how it is hurt, how it heals.

It must not know what is tested.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from mqcam_device.media import SourceSettings
from mqcam_device.sources.selection import make_source

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_device.media import VideoSource


class Fault(Enum):
    """What may happen to whatever a source takes its pictures from."""

    STALL = "stall"
    """It gives no more pictures, for ever, and says nothing."""
    DEATH = "death"
    """It ends with an error, and can be opened again."""
    GARBAGE = "garbage"
    """What it gives is damaged until it heals."""
    VANISH = "vanish"
    """It is gone, and cannot be opened again before it heals."""


class Rig:
    """One source under test and the world around it; derive one for each source.

    Each class of tests opens a rig, and each test that hurts a source opens one for itself.
    Pictures must move and be rich enough to use ``settings.bitrate_bps`` and half of it.
    """

    settings: SourceSettings = SourceSettings(width=320, height=240, bitrate_bps=600_000)
    """What the source is made of, here and in the capture child; `open` may set others."""

    faults: ClassVar[tuple[Fault, ...]] = ()
    """What `strike` can do."""

    snapshot_s: float = 5.0
    """How long a picture may take that is asked for while nobody looks."""

    recovery_s: float = 10.0
    """How long it may take from `heal` to pictures again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """An empty folder for whatever the rig needs."""

    def open(self) -> None:
        """Set the world up: files, servers, fake devices, environment of the capture child."""

    def close(self) -> None:
        """Take it down again; called once for each `open`."""

    def make(self) -> VideoSource:
        """Return a new source, not started."""
        return make_source(self.settings)

    def strike(self, fault: Fault) -> None:
        """Do to the running source what the fault says, in whichever process it runs."""
        raise NotImplementedError(fault)

    def heal(self) -> None:
        """Undo it: a source that is opened from now on works, one that runs may."""
