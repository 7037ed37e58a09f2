"""The running agent's side: it lends its camera to one selftest at a time.

It must not know sockets: requests come from the control socket's server.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import ControlError

from mqcam_device.media import MAIN
from mqcam_device.selftest.camera import try_out
from mqcam_device.selftest.figures import Account
from mqcam_device.selftest.trial import FIRST_PICTURE_S, LONGEST_S, SHORTEST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam_device.capture.process import CaptureProcess
    from mqcam_device.control import Handler
    from mqcam_device.hub import Hub
    from mqcam_device.media import AccessUnit, SourceSettings, StreamInfo

PATIENCE_S: Final = LONGEST_S + FIRST_PICTURE_S + 10
"""A trial takes its seconds, the wait for the first picture, and what its last phase overruns."""


class Loan:
    """What a selftest may do with the camera of a running agent.

    ``watchers`` tells how many viewers there are, ``bitrate_bps`` what the main encoder is to
    aim for according to them.
    """

    def __init__(
        self,
        hub: Hub,
        capture: CaptureProcess,
        source: SourceSettings,
        *,
        watchers: Callable[[], int],
        bitrate_bps: Callable[[], int],
    ) -> None:
        self._hub = hub
        self._capture = capture
        self._source = source
        self._watchers = watchers
        self._bitrate_bps = bitrate_bps
        self._stream: StreamInfo | None = None
        self._trouble = "it has not started yet"
        self._is_lent = False

    @property
    def verbs(self) -> dict[str, Handler]:
        """Return what the control socket offers of it."""
        return {"selftest": self._serve}

    def note_source(self, stream: StreamInfo | None, trouble: str) -> None:
        """Note what the source delivers, or in words why it does not."""
        self._stream = stream or self._stream
        self._trouble = trouble

    async def _serve(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        seconds = arguments.get("seconds")
        if not isinstance(seconds, int | float) or not SHORTEST_S <= seconds <= LONGEST_S:
            text = f"a selftest takes {SHORTEST_S:g} to {LONGEST_S:g} seconds"
            raise ControlError("malformed", text)
        if self._is_lent:
            raise ControlError("busy", "a selftest is running already; wait until it has ended")
        stream = self._stream
        if stream is None or self._trouble:
            raise ControlError("no-picture", f"the camera has no picture: {self._trouble}")
        self._is_lent = True
        try:
            watchers = self._watchers()
            figures = await try_out(
                _Borrowed(self._hub, self._capture, self._watchers, self._bitrate_bps),
                stream,
                seconds=seconds,
            )
        finally:
            self._is_lent = False
        return Account(
            kind=self._source.kind,
            camera=self._source.camera,
            watchers=watchers,
            stream=stream,
            figures=figures,
        ).as_json()


class _Borrowed:
    """The agent's camera, seen by one more viewer of its hub that has no network."""

    def __init__(
        self,
        hub: Hub,
        capture: CaptureProcess,
        watchers: Callable[[], int],
        bitrate_bps: Callable[[], int],
    ) -> None:
        self._hub = hub
        self._capture = capture
        self._watchers = watchers
        self._bitrate_bps = bitrate_bps

    @property
    def watchers(self) -> int:
        return self._watchers()

    @property
    def bitrate_bps(self) -> int:
        return self._bitrate_bps()

    @property
    def pids(self) -> tuple[int | None, int | None]:
        return os.getpid(), self._capture.pid

    def begin(self, take: Callable[[AccessUnit, float], None]) -> None:
        self._hub.attach(self, _Eye(take), MAIN)

    def request_keyframe(self) -> None:
        self._capture.request_keyframe(MAIN)

    def set_bitrate(self, bitrate_bps: int) -> None:
        self._capture.set_bitrate(bitrate_bps, MAIN)

    def end(self) -> None:
        self._hub.detach(self)
        self._capture.set_bitrate(self._bitrate_bps(), MAIN)


class _Eye:
    """A viewer's way out that leads nowhere."""

    def __init__(self, take: Callable[[AccessUnit, float], None]) -> None:
        self._take = take

    def send(self, unit: AccessUnit) -> bool:
        self._take(unit, time.monotonic())
        return True
