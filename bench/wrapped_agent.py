"""The shipped agent with somebody at its shoulder: ``wrapped_agent.py [OPTIONS] run --config ...``.

``--notes FILE`` notes when each picture is handed to the hub, ``--no-gso`` lets the kernel refuse
UDP segmentation as one without checksum offload does, ``--stalling`` gives it a capture child whose
camera stalls at SIGUSR1. Run with ``python -P``. Nothing else may
differ from ``mqcam-device``.
"""

from __future__ import annotations

import argparse
import errno
import functools
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam_device.media import AccessUnit

UDP_SEGMENT = 103
"""The control message that carries the size of the segments; linux/udp.h."""


def note_pictures(path: str) -> None:
    """Note when each picture is handed to the hub."""
    from mqcam_device.hub import Hub  # noqa: PLC0415

    from bench.notes import Notes  # noqa: PLC0415 - only where it is wanted

    notes = Notes(path)
    publish = Hub.publish

    def noted(hub: Hub, unit: AccessUnit) -> None:
        notes.add(unit.captured_ns, time.monotonic_ns())
        publish(hub, unit)

    mock.patch.object(Hub, "publish", noted).start()


def refuse_segmentation() -> None:
    """Let every send that asks the kernel for segmentation fail with EIO."""
    sendmsg = socket.socket.sendmsg

    def refused(
        sender: socket.socket, buffers: Any, ancillary: Sequence[Any] = (), *rest: Any
    ) -> int:
        if any((level, kind) == (socket.IPPROTO_UDP, UDP_SEGMENT) for level, kind, _ in ancillary):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return sendmsg(sender, buffers, ancillary, *rest)

    mock.patch.object(socket.socket, "sendmsg", refused).start()


def spawn_stalling_children() -> None:
    """Let the agent start the bench's capture child instead of the shipped one."""
    from mqcam_device.capture.process import CaptureProcess  # noqa: PLC0415

    from bench.capturing import CHILD  # noqa: PLC0415 - only where it is wanted
    from bench.wrapped_child import STALL  # noqa: PLC0415

    stalling = functools.partial(CaptureProcess, program=(*CHILD, STALL))
    mock.patch("mqcam_device.app.CaptureProcess", stalling).start()


def main(arguments: Sequence[str]) -> int:
    """Change what was asked for and be the agent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--notes")
    parser.add_argument("--no-gso", action="store_true")
    parser.add_argument("--stalling", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    if options.notes:
        note_pictures(options.notes)
    if options.no_gso:
        refuse_segmentation()
    if options.stalling:
        spawn_stalling_children()
    from mqcam_device.cli import main as run_agent  # noqa: PLC0415 - after what it would see

    return run_agent(rest)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main(sys.argv[1:]))
