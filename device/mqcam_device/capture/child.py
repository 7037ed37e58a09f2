"""The capture child's work: obey the agent, hand it units, end with it.

It must not know viewers, the network or secrets; it imports neither aiortc nor paho.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import traceback
from typing import TYPE_CHECKING

from mqcam.errors import LocalProtocolError

from mqcam_device.capture import wire
from mqcam_device.capture.answers import Answers
from mqcam_device.capture.build import build_name
from mqcam_device.capture.camera import Camera
from mqcam_device.capture.orders import ORDERS, Orders
from mqcam_device.capture.outbox import Outbox
from mqcam_device.media import SourceState

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

OK, SOURCE_FAILED, AGENT_NOT_UNDERSTOOD, MUTE = 0, 3, 4, 6
"""Exit codes: told to stop, the source cannot run, the agent is of another build, a mistake of ours
in what should be said. 5 is `fuse.HUNG`."""

_RECEIVE_BYTES = 64 * 1024
_FLUSH_S = 0.5
_HANGUP_S = 2.0


def run(link: socket.socket) -> int:
    """Serve the agent on the other end of the link until it stops us or goes; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal and systemd send them to us too; the agent decides, its end is ours.
        signal.signal(number, signal.SIG_IGN)
    child = _Child(link)
    code = child.serve()
    if not child.close():
        # A source whose thread hangs in a driver cannot be joined; the kernel takes it back.
        os._exit(code)
    return code


class _Child:
    """The main thread, which only reads; a writer; the camera's thread, and one for questions."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        orders = Orders()
        self._outbox = Outbox(lambda layer: orders.put(wire.Keyframe(layer=layer)))
        self._camera = Camera(orders, self._outbox.put)
        self._answers = Answers(self._camera, self._outbox.put)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def serve(self) -> int:
        """Read until the agent says stop, goes away or cannot be understood."""
        self._outbox.put(wire.Hello(version=wire.VERSION, build=build_name()))
        try:
            self._serve_messages(self._read())
        except LocalProtocolError as error:
            self._outbox.put(wire.State(state=SourceState.FAILED, text=str(error)))
            self._await_hangup()
            return AGENT_NOT_UNDERSTOOD
        return SOURCE_FAILED if self._camera.has_failed else OK

    def close(self) -> bool:
        """End source and writer; False if one of them hangs."""
        has_stopped = self._camera.close()
        self._outbox.close()
        self._writer.join(_FLUSH_S)
        is_flushed = not self._writer.is_alive()
        self._link.close()
        return has_stopped and is_flushed

    def _serve_messages(self, messages: Iterator[wire.Message]) -> None:
        hello = next(messages, None)
        if hello is None:
            return
        wire.check_hello(hello, build_name())
        for message in messages:
            if isinstance(message, wire.Stop):
                return
            self._obey(message)

    def _await_hangup(self) -> None:
        """Let the agent read why, and hang up: were we first, it might lose our last message."""
        self._link.settimeout(_HANGUP_S)
        with contextlib.suppress(OSError):
            while self._link.recv(_RECEIVE_BYTES):
                pass

    def _obey(self, message: wire.Message) -> None:
        if isinstance(message, wire.Ask):
            self._answers.take(message)
        elif isinstance(message, ORDERS):
            self._camera.obey(message)

    def _read(self) -> Iterator[wire.Message]:
        decoder = wire.Decoder()
        while True:
            try:
                data = self._link.recv(_RECEIVE_BYTES)
            except OSError:
                return
            if not data:
                return
            yield from decoder.feed(data)

    def _write(self) -> None:
        try:
            while (message := self._outbox.take()) is not None:
                with contextlib.suppress(LocalProtocolError):
                    # A monstrous unit: the hole in the numbers makes the hub ask again.
                    self._link.sendall(wire.encode(message))
        except OSError:
            return  # the agent has gone; the main thread sees it too
        except BaseException:  # noqa: BLE001 - whatever it is
            # A child that cannot speak is of no use, and would not be noticed for a while.
            traceback.print_exc()
            os._exit(MUTE)
