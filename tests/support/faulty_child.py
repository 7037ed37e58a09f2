"""The real capture child with a source that breaks when told to; runs as a program of its own.

``python faulty_child.py FOLDER FD``: a file of a fault's name in FOLDER causes that fault. What
happens once takes the file away; a fault whose file ends in ``.stays`` lasts until that is gone.
`Faults` is the test's end. It must not know what is tested.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import SourceError
from mqcam_device.capture import __main__ as capture
from mqcam_device.media import MAIN, AccessUnit, ControlInfo, SourceState
from mqcam_device.sources import selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam_device.media import (
        ControlValue,
        Sink,
        SourceSettings,
        StateListener,
        StreamInfo,
        VideoSource,
    )

FOREVER_S = 3600.0
SPEW_BYTES = 500
CONTROL = "ev"
"""The one control that a faulty source has; it says which value it was given."""


class Faults:
    """Faults to be had, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def program(self) -> tuple[str, ...]:
        """What `CaptureProcess` is to run instead of the usual child."""
        return ("-P", __file__, str(self._folder))

    def cause(self, name: str) -> None:
        """Cause a fault, once."""
        (self._folder / name).touch()

    def last(self, name: str) -> None:
        """Cause a fault again and again until `end`."""
        (self._folder / f"{name}.stays").touch()

    def end(self, name: str) -> None:
        """End a lasting fault."""
        (self._folder / f"{name}.stays").unlink()

    def takes(self, name: str) -> bool:
        """Tell whether a fault is to be had now."""
        if (self._folder / f"{name}.stays").exists():
            return True
        try:
            (self._folder / name).unlink()
        except FileNotFoundError:
            return False
        return True


class FaultySource:
    """A source with faults: those of pictures are looked for at each picture."""

    def __init__(
        self,
        source: VideoSource,
        faults: Faults,
        descriptor: int,
        controls: Mapping[str, ControlValue],
    ) -> None:
        self._source = source
        self._controls = dict(controls)
        self._faults = faults
        self._descriptor = descriptor
        self._silent: set[str] = set()

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        if self._faults.takes("vanish"):
            raise SourceError("camera", "is not plugged in")
        if self._faults.takes("hang-start"):
            time.sleep(FOREVER_S)
        if self._faults.takes("stay-silent"):
            self._silent |= {MAIN, "low"}
        self._on_state = on_state

        def take(unit: AccessUnit) -> None:
            if self._is_heard(sink, unit.layer):
                sink(unit)
            if self._faults.takes("spew"):
                threading.Thread(target=self._spew, args=(sink, unit), daemon=True).start()

        return self._source.start(take, on_state)

    def _is_heard(self, sink: Sink, layer: str) -> bool:
        for name, layers in {"stall": {MAIN, "low"}, "stall-low": {"low"}}.items():
            if self._faults.takes(name):
                self._silent |= layers
        if self._faults.takes("hush"):
            self._on_state(SourceState.STALLED, None, "the network camera is away: trying again")
            self._silent |= {MAIN, "low"}
        if self._faults.takes("die"):
            sys.exit()  # of the source's thread, without a word
        if self._faults.takes("exit"):
            os._exit(9)
        if self._faults.takes("nonsense"):
            sink(AccessUnit(b"", -1, False, 0))  # a time that cannot be written down
        if self._faults.takes("garbage"):
            os.write(self._descriptor, b"\xff" * 1000)
        return layer not in self._silent

    def _spew(self, sink: Sink, unit: AccessUnit) -> None:
        data, seq = unit.data[:SPEW_BYTES], unit.seq
        while True:
            seq += 1
            sink(AccessUnit(data, time.monotonic_ns(), True, seq, unit.layer))

    def resume(self, layer: str = MAIN) -> None:
        self._source.resume(layer)

    def pause(self, layer: str = MAIN) -> None:
        self._source.pause(layer)

    def request_keyframe(self, layer: str = MAIN) -> bool:
        return self._source.request_keyframe(layer)

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        if self._faults.takes("hang-bitrate"):
            time.sleep(FOREVER_S)
        return self._source.set_bitrate(bitrate_bps, layer)

    def set_framerate(self, fps: float) -> float:
        return self._source.set_framerate(fps)

    def snapshot(self, timeout_s: float) -> bytes:
        if self._faults.takes("hang-snapshot"):
            time.sleep(FOREVER_S)
        return self._source.snapshot(timeout_s)

    def controls(self) -> tuple[ControlInfo, ...]:
        value = self._controls.get(CONTROL)
        return (ControlInfo(name=CONTROL, kind="number", value=value, least=-8.0, most=8.0),)

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        for name in values:
            if name != CONTROL:
                raise SourceError(name, "this camera has no such control")
        self._controls |= values

    def stop(self, timeout_s: float) -> bool:
        if self._faults.takes("hang-stop"):
            time.sleep(FOREVER_S)
        if self._faults.takes("refuse-stop"):
            time.sleep(timeout_s)
            return False
        return self._source.stop(timeout_s)


def main(folder: str, descriptor: str) -> int:
    """Run the capture child with faulty sources."""
    make, faults = selection.make_source, Faults(Path(folder))

    def make_faulty(settings: SourceSettings) -> VideoSource:
        # A network camera is whatever is called one: what differs is how patient the agent is.
        source = make(replace(settings, kind="pattern") if settings.kind == "rtsp" else settings)
        return FaultySource(source, faults, int(descriptor), dict(settings.controls))

    selection.make_source = make_faulty
    return capture.main([descriptor])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
