"""Why no picture came although the camera was reached: the camera's own words.

It must not know sessions: a camera tells in its status how its source is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mqcam.protocol.messages import Status

NO_PICTURE: Final = "connected, but no picture came"
RUNNING: Final = "running"


def no_picture(status: Status | None) -> str:
    """Return as half a sentence that no picture came, and why where the camera says it."""
    if status is None or status.capture.state == RUNNING:
        return NO_PICTURE
    reason = f": {status.capture.text}" if status.capture.text else ""
    return f'{NO_PICTURE}: the camera says "{status.capture.state}"{reason}'
