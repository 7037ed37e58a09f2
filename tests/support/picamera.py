"""The fake camera of another process: its environment, what goes wrong with it, what it was asked.

Programs that are started with `FakeCamera.environ` find the real picamera2 and the fakes where a
Raspberry Pi's virtual environment finds the system's packages. It must not import either.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.scene import FOR_EVER, NEVER, RECORD, VARIABLE, CameraScene, Scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TESTS = Path(__file__).resolve().parents[1]
FAKES = TESTS / "fakes"
PICAMERA2 = Path(sys.prefix) / "picamera2"
"""Where scripts/install.sh puts the real picamera2 and what it imports, for `make test`."""

PATIENCE_S = 10.0
POLL_S = 0.01
NIGHT_FPS = 5


class FakeCamera:
    """One scene, and the record of what was asked of its cameras.

    A fault strikes all that runs now and goes away when the camera, or the encoder, is opened
    anew; ``for_ever`` makes it stay until `heal`. Without an id the first camera is meant.
    """

    def __init__(self, folder: Path, scene: Scene | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._scene = scene or Scene()
        write_scene(folder, self._scene)

    @property
    def environ(self) -> dict[str, str]:
        """What a program's environment needs beside what it has, to see these cameras."""
        places = [str(each) for each in (TESTS, FAKES, FAKES / "unused", PICAMERA2)]
        if os.environ.get("PYTHONPATH"):
            places.append(os.environ["PYTHONPATH"])
        return {"PYTHONPATH": os.pathsep.join(places), VARIABLE: str(self.folder)}

    @property
    def scene(self) -> Scene:
        """What is to be seen now; set it to change everything at once."""
        return self._scene

    @scene.setter
    def scene(self, scene: Scene) -> None:
        self._scene = scene
        write_scene(self.folder, scene)

    def change(self, camera_id: str | None = None, **facts: Any) -> None:
        """Change fields of a `CameraScene`."""
        chosen = camera_id or self._scene.cameras[0].id
        self.scene = replace(
            self._scene,
            cameras=tuple(
                replace(each, **facts) if each.id == chosen else each
                for each in self._scene.cameras
            ),
        )

    def camera(self, camera_id: str | None = None) -> CameraScene:
        """Return one camera as it is."""
        found = self._scene.camera(camera_id) if camera_id else self._scene.cameras[0]
        if found is None:
            raise LookupError(camera_id)
        return found

    def stall(self, camera_id: str | None = None, *, for_ever: bool = False) -> None:
        """Complete no request any more."""
        self.change(camera_id, stalled_before_ns=moment(for_ever=for_ever))

    def cancel(self, camera_id: str | None = None, *, for_ever: bool = False) -> None:
        """Give every request back as cancelled, as libcamera does after a frontend timeout."""
        self.change(camera_id, cancelled_before_ns=moment(for_ever=for_ever))

    def spoil(self, camera_id: str | None = None, *, for_ever: bool = False) -> None:
        """Mark every frame as erroneous."""
        self.change(camera_id, spoilt_before_ns=moment(for_ever=for_ever))

    def hang_stop(
        self,
        camera_id: str | None = None,
        *,
        holds_gil: bool = False,
        for_ever: bool = False,
    ) -> None:
        """Never return from ``Camera.stop``; holding the GIL as the real bindings do, if asked."""
        when = moment(for_ever=for_ever)
        self.change(camera_id, stop_hangs_before_ns=when, hang_holds_gil=holds_gil)

    def vanish(self, camera_id: str | None = None) -> None:
        """Pull the cable: not listed, not to be opened, requests cancelled; until `heal`."""
        self.change(camera_id, is_present=False)

    def refuse_start(self, camera_id: str | None = None) -> None:
        """Fail every start; until `heal`."""
        self.change(camera_id, starts=False)

    def hold_encoder(self, *, for_ever: bool = False) -> None:
        """Let the hardware encoder keep every buffer, as one that froze."""
        self.scene = replace(self._scene, encoder_held_before_ns=moment(for_ever=for_ever))

    def heal(self) -> None:
        """End every fault of every camera, and of the encoder."""
        cameras = tuple(
            replace(
                each,
                is_present=True,
                starts=True,
                stalled_before_ns=NEVER,
                cancelled_before_ns=NEVER,
                spoilt_before_ns=NEVER,
                stop_hangs_before_ns=NEVER,
                hang_holds_gil=False,
            )
            for each in self._scene.cameras
        )
        self.scene = replace(self._scene, cameras=cameras, encoder_held_before_ns=NEVER)

    def darken(self, camera_id: str | None = None, *, fps: float = NIGHT_FPS) -> None:
        """Let the light ask for long exposures: frames come at this rate where limits allow it."""
        self.change(camera_id, exposure_us=round(1e6 / fps))

    def withhold(self, *controls: str, camera_id: str | None = None) -> None:
        """Advertise these controls no longer."""
        known = self.camera(camera_id).controls
        kept = {name: ends for name, ends in known.items() if name not in controls}
        self.change(camera_id, controls=kept)

    def recorded(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return what was told so far, of one kind of event or all; see `fakes.scene.Stage.tell`.

        Events: open, close, configure, start, controls, stop; sensor hdr; encoder start, encoder
        control, encoder stop.
        """
        try:
            lines = (self.folder / RECORD).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [each for each in entries if event in {None, each["event"]}]

    def await_recorded(
        self, event: str, is_it: Callable[[Mapping[str, Any]], bool] = lambda entry: True
    ) -> dict[str, Any]:
        """Return the first such event, waiting for it up to ``PATIENCE_S``; for use in threads."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            for entry in self.recorded(event):
                if is_it(entry):
                    return entry
            time.sleep(POLL_S)
        raise TimeoutError(f"no {event} like that: {self.recorded()}")

    def controls(self, camera_id: str | None = None) -> dict[str, Any]:
        """Return the controls that were set since the last start, the newest value of each."""
        chosen = self.camera(camera_id).id
        values: dict[str, Any] = {}
        for entry in self.recorded():
            if entry.get("camera") == chosen and "controls" in entry:
                values = entry["controls"] if entry["event"] == "start" else values
                values = values | entry["controls"]
        return values


def moment(*, for_ever: bool) -> int:
    """Return before which moment things must have been started for a fault to strike them."""
    return FOR_EVER if for_ever else time.monotonic_ns()
