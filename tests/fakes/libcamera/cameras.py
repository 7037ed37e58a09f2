"""The cameras that are there, and the requests that they completed."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fakes.scene import VARIABLE, Stage

from .camera import Camera

if TYPE_CHECKING:
    from .request import Request


class CameraManager:
    version = "0.5.2+fake"
    _singleton: ClassVar[CameraManager | None] = None

    def __init__(self, stage: Stage | None) -> None:
        self.event_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stage = stage
        self._known: dict[str, Camera] = {}
        self._ready: list[Request] = []
        self._lock = threading.Lock()

    @classmethod
    def singleton(cls) -> CameraManager:
        if cls._singleton is None:
            cls._singleton = cls(stage_of_process)
        return cls._singleton

    @property
    def cameras(self) -> list[Camera]:
        if self._stage is None:
            return []
        for scene in self._stage.scene.cameras:
            if scene.id not in self._known:
                self._known[scene.id] = Camera(scene.id, self._stage, self._complete)
        present = [each.id for each in self._stage.scene.cameras if each.is_present]
        return [self._known[each] for each in present]

    def get(self, camera_id: str) -> Camera | None:
        return next((each for each in self.cameras if each.id == camera_id), None)

    def get_ready_requests(self) -> list[Request]:
        try:
            os.eventfd_read(self.event_fd)
        except BlockingIOError:
            return []
        with self._lock:
            ready, self._ready = self._ready, []
        return ready

    def _complete(self, request: Request) -> None:
        """Hand a request back; called in the camera's thread."""
        with self._lock:
            self._ready.append(request)
        os.eventfd_write(self.event_fd, 1)


def enter_stage() -> Stage | None:
    """Return the stage that the environment names, with the board's devices in place."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None
    from fakes.devices import install  # noqa: PLC0415  # needs what only a camera's process has

    stage = Stage(Path(folder))
    install(stage)
    return stage


stage_of_process = enter_stage()
