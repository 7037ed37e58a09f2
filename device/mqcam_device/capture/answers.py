"""The capture child's answers to the agent's questions, given on a thread of their own.

It must not know sockets: answers go out through ``put``. A question that hangs in the camera
library holds up those behind it, and nothing else.
"""

from __future__ import annotations

import base64
import queue
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import LocalProtocolError, MqcamError, SourceError

from mqcam_device.capture import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.capture.camera import Camera
    from mqcam_device.media import VideoSource

_MAX_WAITING: Final = 8
_LEAST_S: Final = 0.05
"""A question with less time than this is not begun: its asker will have gone."""


class Answers:
    """Asks the source on behalf of the agent."""

    def __init__(self, camera: Camera, put: Callable[[wire.Message], None]) -> None:
        self._camera = camera
        self._put = put
        self._questions: queue.Queue[tuple[wire.Ask, float]] = queue.Queue(_MAX_WAITING)
        self._busy_since: float | None = None
        # It is never joined: the end of the process ends it, whatever it hangs in.
        threading.Thread(target=self._run, name="answers", daemon=True).start()

    def take(self, question: wire.Ask) -> None:
        """Answer soon, and `wire.PING` at once; never blocks."""
        if question.verb == wire.PING:
            busy_s = max(self._camera.busy_s(), self._busy_s())
            self._put(wire.Reply(number=question.number, result={"busy_s": busy_s}))
            return
        try:
            self._questions.put_nowait((question, time.monotonic() + question.within_s))
        except queue.Full:
            self._refuse(question, "camera: is still busy with earlier questions; try again")

    def _busy_s(self) -> float:
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self) -> None:
        while True:
            question, deadline = self._questions.get()
            self._busy_since = time.monotonic()
            self._serve(question, deadline)
            self._busy_since = None

    def _serve(self, question: wire.Ask, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s < _LEAST_S:
            return
        try:
            reply = wire.Reply(number=question.number, result=self._answer(question, left_s))
            wire.encode(reply)
        except LocalProtocolError:
            self._refuse(question, f"{question.verb}: the answer is too large")
        except MqcamError as error:
            self._refuse(question, str(error))
        except Exception as error:  # noqa: BLE001 - a library's mistake is an answer too
            self._refuse(question, f"{question.verb}: the camera refused: {error!r}")
        else:
            self._put(reply)

    def _answer(self, question: wire.Ask, left_s: float) -> dict[str, Any]:
        source = self._camera.source
        if source is None:
            raise SourceError("camera", "is not open just now; try again")
        if question.verb == wire.SNAPSHOT:
            jpeg = source.snapshot(left_s)
            return {"jpeg": base64.b64encode(jpeg).decode()}
        if question.verb == wire.CONTROLS:
            return {"controls": [asdict(control) for control in source.controls()]}
        if question.verb == wire.SET_CONTROLS:
            return self._set_controls(source, question.args)
        raise SourceError("camera", f"knows no question {question.verb!r}")

    def _set_controls(self, source: VideoSource, args: dict[str, Any]) -> dict[str, Any]:
        values = {
            str(name): tuple(value) if isinstance(value, list) else value
            for name, value in args["values"].items()
        }
        source.set_controls(values)
        self._camera.remember(values)
        return {}

    def _refuse(self, question: wire.Ask, sentence: str) -> None:
        self._put(wire.Reply(number=question.number, result={}, error=sentence))
