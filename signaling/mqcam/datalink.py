"""The data channel of a connection: small messages beside the video.

It must not know what the messages mean, nor anything about signaling.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from aiortc import RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport
from aiortc.exceptions import InvalidStateError
from aiortc.rtcsctptransport import RTCSctpCapabilities

from mqcam.private import PrivateName
from mqcam.sdp import MESSAGE_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.media import MediaTransport

logger = logging.getLogger(__name__)

CHANNEL_LABEL: Final = "mqcam"
CHANNEL_ID: Final = 0
BACKLOG_LIMIT_BYTES: Final = 262_144
HELD_LIMIT_BYTES: Final = BACKLOG_LIMIT_BYTES
HELD_LIMIT_CHUNKS: Final = 1024
STREAM_LIMIT: Final = 4
"""What a peer may leave unfinished. Stock holds everything and looks through it at each chunk."""

PRIVATE_NAMES: Final = (
    PrivateName(
        module="aiortc.rtcsctptransport",
        path="RTCSctpTransport._handle_data",
        parameters=("self", "data"),
        reason="a malformed chunk of the peer must cost that chunk, not the whole connection",
    ),
    PrivateName(
        module="aiortc.rtcsctptransport",
        path="RTCSctpTransport._inbound_streams",
        reason="what the peer has begun and not finished is bounded nowhere",
    ),
    PrivateName(
        module="aiortc.rtcsctptransport",
        path="RTCSctpTransport._sack_misordered",
        reason="as _inbound_streams, for what came before its turn",
    ),
    PrivateName(
        module="aiortc.rtcsctptransport",
        path="RTCSctpTransport._data_channels",
        reason="as _inbound_streams, for channels that the peer opens",
    ),
)


class GuardedSctp(RTCSctpTransport):
    """An SCTP transport that survives malformed chunks and notes authenticated ones.

    A peer that leaves too much unfinished loses the association, and only that.
    """

    def __init__(self, media: MediaTransport, *, port: int) -> None:
        super().__init__(media, port)
        self.malformed = 0
        self._media = media

    async def _handle_data(self, data: bytes) -> None:
        self._media.note_authenticated()
        try:
            await super()._handle_data(data)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - the stock parser asserts on what the peer sent
            self.malformed += 1
        if self._holds_too_much():
            logger.warning("data link closed: the peer leaves too much unfinished")
            await self.stop()

    def _holds_too_much(self) -> bool:
        streams = self._inbound_streams
        if max(len(streams), len(self._data_channels)) > STREAM_LIMIT:
            return True
        held = [chunk for stream in streams.values() for chunk in stream.reassembly]
        return (
            max(len(held), len(self._sack_misordered)) > HELD_LIMIT_CHUNKS
            or sum(len(chunk.user_data) for chunk in held) > HELD_LIMIT_BYTES
        )


class DataLink:
    """One negotiated data channel, the same on both sides, so that nobody has to open it."""

    def __init__(self, media: MediaTransport, *, local_port: int, remote_port: int) -> None:
        self.on_message: Callable[[bytes], None] | None = None
        self.on_open: Callable[[], None] | None = None
        self.dropped = 0
        self._remote_port = remote_port
        self._remote_limit_bytes = MESSAGE_LIMIT_BYTES
        self._sctp = GuardedSctp(media, port=local_port)
        self._channel = RTCDataChannel(
            self._sctp,
            RTCDataChannelParameters(label=CHANNEL_LABEL, negotiated=True, id=CHANNEL_ID),
        )
        self._channel.on("message", self._received)
        self._channel.on("open", self._opened)

    @property
    def malformed(self) -> int:
        """The number of the peer's chunks that could not be read."""
        return self._sctp.malformed

    @property
    def is_open(self) -> bool:
        """Tell whether messages can be sent now."""
        return self._channel.readyState == "open"

    def send(self, message: bytes) -> bool:
        """Queue one message of at most 16 KiB; False if the link is not open or is congested."""
        if (
            not self.is_open
            or len(message) > self._remote_limit_bytes
            or self._channel.bufferedAmount + len(message) > BACKLOG_LIMIT_BYTES
        ):
            self.dropped += 1
            return False
        try:
            self._channel.send(message)
        except (InvalidStateError, ValueError):
            self.dropped += 1
            return False
        return True

    async def start(self, remote_limit_bytes: int) -> None:
        """Begin the association; 0 as the peer's limit of a message means that it has none."""
        if remote_limit_bytes:
            self._remote_limit_bytes = min(MESSAGE_LIMIT_BYTES, remote_limit_bytes)
        # A peer that went away meanwhile is noticed by the transport below.
        with contextlib.suppress(ConnectionError):
            await self._sctp.start(RTCSctpCapabilities(remote_limit_bytes), self._remote_port)

    async def close(self) -> None:
        """Abort the association."""
        self.on_message = self.on_open = None
        with contextlib.suppress(ConnectionError):
            await self._sctp.stop()

    def _opened(self) -> None:
        if self.on_open is not None:
            self.on_open()

    def _received(self, message: bytes | str) -> None:
        data = message.encode() if isinstance(message, str) else message
        if self.on_message is None or len(data) > MESSAGE_LIMIT_BYTES:
            self.dropped += 1
            return
        # This runs inside the transport's receive loop: a mistake of ours must not end it.
        try:
            self.on_message(data)
        except Exception:
            logger.exception("the handler of a data message failed")
