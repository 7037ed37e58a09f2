"""The sources that need nothing but this machine keep what every source promises."""

from __future__ import annotations

import os
from typing import ClassVar

from mqcam_device.conformance import CaptureConformance, Fault, Rig, SourceConformance
from mqcam_device.media import SourceSettings
from mqcam_device.sources.pattern import Pattern
from support.films import make_film


class PatternRig(Rig):
    """Nothing can happen to it."""

    settings = SourceSettings(width=320, height=240, bitrate_bps=600_000, label="test")


class FilmRig(Rig):
    """A film that can be torn and taken away."""

    faults: ClassVar = (Fault.GARBAGE, Fault.VANISH)

    def open(self) -> None:
        pattern = Pattern(width=320, height=240, fps=25, label="film")
        self.film = make_film(
            self.folder / "film.mp4", draw=lambda index: pattern.read(index * 40_000_000)
        )
        self.settings = SourceSettings(kind="film", path=str(self.film), bitrate_bps=600_000)
        self._whole = self.film.read_bytes()

    def strike(self, fault: Fault) -> None:
        if fault is Fault.VANISH:
            self.film.unlink()
        else:
            self.film.write_bytes(os.urandom(len(self._whole)))

    def heal(self) -> None:
        self.film.write_bytes(self._whole)


class TestPattern(SourceConformance):
    """The test pattern, in this process."""

    rig_type = PatternRig


class TestPatternInItsChild(CaptureConformance):
    """The same in the capture child."""

    rig_type = PatternRig


class TestFilm(SourceConformance):
    """A film file, in this process."""

    rig_type = FilmRig


class TestFilmInItsChild(CaptureConformance):
    """The same in the capture child."""

    rig_type = FilmRig
