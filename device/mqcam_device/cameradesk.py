"""What the control socket offers of the camera itself: a picture, and what can be changed.

It must not know sources: the capture child is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import ControlError

from mqcam_device.capture import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam_device.capture.process import CaptureProcess
    from mqcam_device.control import Handler
    from mqcam_device.media import StreamInfo

ANSWER_S: Final = 8.0
"""A camera that rests is woken for a picture; less than what the control socket gives a verb."""


class CameraDesk:
    """Passes questions on to the capture child."""

    def __init__(self, capture: CaptureProcess) -> None:
        self._capture = capture
        self._rotation = 0

    def note_source(self, stream: StreamInfo | None) -> None:
        """Note what is left to turn."""
        if stream is not None:
            self._rotation = stream.rotation

    @property
    def verbs(self) -> dict[str, Handler]:
        """Return what the control socket offers of it."""
        return {
            "snapshot": self._snapshot,
            "controls": self._controls,
            "set-controls": self._set_controls,
        }

    async def _snapshot(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self._capture.ask(wire.SNAPSHOT, timeout_s=ANSWER_S)
        return {**answer, "rotation": self._rotation}

    async def _controls(self, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        return await self._capture.ask(wire.CONTROLS, timeout_s=ANSWER_S)

    async def _set_controls(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        values = arguments.get("values")
        if not isinstance(values, dict) or not all(map(_is_value, values.values())):
            raise ControlError("malformed", 'values are such as {"brightness": 0.2}')
        return await self._capture.ask(
            wire.SET_CONTROLS, {"values": _with_areas(values)}, timeout_s=ANSWER_S
        )


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, int | float) for part in value)
    return isinstance(value, bool | int | float | str)


def _with_areas(values: Mapping[str, Any]) -> dict[str, Any]:
    """Make tuples of what JSON made lists: the capture process remembers them."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
