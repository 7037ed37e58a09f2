"""The agent's end of the socket to its capture child, as an asyncio protocol.

It must not know how children are started or replaced.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from mqcam.errors import LocalProtocolError

from mqcam_device.capture import wire
from mqcam_device.capture.build import build_name

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 256 * 1024
"""A child that has not read so much will not read the rest either: it is hung up on."""


class Link(asyncio.Protocol):
    """Decodes what the child says. A child that cannot be understood is hung up on.

    ``lost`` is set when the socket is closed; ``error`` then says why if it was our doing.
    """

    def __init__(
        self, on_message: Callable[[wire.Message], None], on_lost: Callable[[], None]
    ) -> None:
        self.lost = asyncio.Event()
        self.error = ""
        self._on_message = on_message
        self._on_lost = on_lost
        self._decoder = wire.Decoder()
        self._transport: asyncio.Transport | None = None
        self._is_greeted = False
        self._is_fault_logged = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet; asyncio calls this once."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self.send(wire.Hello(version=wire.VERSION, build=build_name()))

    def data_received(self, data: bytes) -> None:
        """Decode and pass on; asyncio calls this with what has arrived."""
        try:
            for message in self._decoder.feed(data):
                if not self._is_greeted:
                    wire.check_hello(message, build_name())
                    self._is_greeted = True
                else:
                    self._pass_on(message)
        except LocalProtocolError as error:
            self.error = str(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; asyncio calls this once."""
        del exc  # the child's exit code says more
        self.lost.set()
        self._on_lost()

    def send(self, message: wire.Message) -> None:
        """Send a message; after the end it is ignored."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(wire.encode(message))
        if self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.error = "the capture child does not read what it is told"
            self.close()

    def close(self) -> None:
        """Hang up; the child ends itself."""
        if self._transport is not None:
            self._transport.abort()

    def _pass_on(self, message: wire.Message) -> None:
        try:
            self._on_message(message)
        except Exception:
            # A mistake of ours in one unit's way must not stop the camera, nor fill the log.
            if not self._is_fault_logged:
                self._is_fault_logged = True
                logger.exception("a message of the capture child could not be handled")
