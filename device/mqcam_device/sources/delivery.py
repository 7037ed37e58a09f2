"""The last step of a source's thread: units to the sink, whose mistakes end here.

A sink must not raise. If it does, the camera goes on: an exception that unwinds a capture thread
leaves a picture that stands still and says nothing. It must not know encoders or processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam_device.media import SourceState

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit, Sink, StateListener, StreamInfo


class Delivery:
    """Hands units to a sink; used by one thread.

    ``failures`` counts what the sink raised; the first is told to the listener, with ``info``. The
    unit is lost then, and the hole in the numbers says so.
    """

    def __init__(self, sink: Sink, on_state: StateListener) -> None:
        self.failures = 0
        self._sink = sink
        self._on_state = on_state

    def hand_over(self, unit: AccessUnit, info: StreamInfo | None) -> None:
        """Give the sink a unit; never raises because of it."""
        try:
            self._sink(unit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the camera outlives it
            self.failures += 1
            if self.failures == 1:
                text = f"a picture was lost on its way to the agent: {error!r}; report this"
                self._on_state(SourceState.RUNNING, info, text)
