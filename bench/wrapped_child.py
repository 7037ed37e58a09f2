"""The shipped capture child with somebody at its shoulder: ``wrapped_child.py [OPTIONS] FD``.

``--stamp`` lets each unit say when its sink got it instead of when it was drawn, ``--stall`` lets
the camera give no more pictures from SIGUSR1 on, until it is opened anew. Run with ``python -P``.
Nothing else may differ from ``python -m mqcam_device.capture``.
"""

from __future__ import annotations

import signal
import sys
import time
from unittest import mock

from mqcam_device.capture.__main__ import main
from mqcam_device.capture.outbox import Outbox
from mqcam_device.media import AccessUnit
from mqcam_device.sources.pattern import Pattern

STAMP, STALL = "--stamp", "--stall"
FOR_EVER_NS = 10**18


def stamp() -> None:
    """Overwrite the time of each unit at the moment at which the sink gets it."""
    put = Outbox.put

    def stamped(outbox: Outbox, message: object) -> None:
        if isinstance(message, AccessUnit):
            message.captured_ns = time.monotonic_ns()
        put(outbox, message)  # type: ignore[arg-type] # whatever it is

    mock.patch.object(Outbox, "put", stamped).start()


def stall_on_signal() -> None:
    """Let all patterns that are open at SIGUSR1 fall silent, and none that is opened later."""
    open_since: dict[int, float] = {}
    stalled_at = 0.0
    begin, due_ns = Pattern.begin, Pattern.due_ns

    def begun(pattern: Pattern, now_ns: int) -> None:
        open_since.setdefault(id(pattern), time.monotonic())
        begin(pattern, now_ns)

    def due(pattern: Pattern, now_ns: int) -> int:
        silent = open_since[id(pattern)] < stalled_at
        return now_ns + FOR_EVER_NS if silent else due_ns(pattern, now_ns)

    def strike(*_: object) -> None:
        nonlocal stalled_at
        stalled_at = time.monotonic()

    mock.patch.multiple(Pattern, begin=begun, due_ns=due).start()
    signal.signal(signal.SIGUSR1, strike)


if __name__ == "__main__":
    if STAMP in sys.argv:
        stamp()
    if STALL in sys.argv:
        stall_on_signal()
    sys.exit(main(sys.argv[-1:]))
