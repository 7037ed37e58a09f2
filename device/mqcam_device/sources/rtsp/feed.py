"""A network camera's H.264 over RTSP: one connection, everything interleaved in it.

An own client instead of FFmpeg's: that one holds each picture back until the next begins, cannot
be interrupted, and prints the account when something fails (docs/decisions/feeds.md). It must not
know who takes the pictures. Neither account nor address beyond host and port ever stands in what
it raises.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mqcam.errors import LocalProtocolError, SourceError

from mqcam_device.sources.feed import FeedInfo
from mqcam_device.sources.rtsp.account import Account
from mqcam_device.sources.rtsp.description import read_description
from mqcam_device.sources.rtsp.pictures import RtpPictures
from mqcam_device.sources.rtsp.wire import Answer, Interleaved, Reader, encode_request, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mqcam_device.sources.feed import Bell, EncodedPicture

CONNECT_S: Final = 3.0
ANSWER_S: Final = 4.0
OPEN_S: Final = 6.0
"""To name, connection and answers together."""

EARLY_PACKETS: Final = 4096
EARLY_BYTES: Final = 4_000_000
"""Of what comes before the answer to PLAY, so much is kept; what is beyond it is lost."""

SESSION_S: Final = 60
"""What a camera waits for a sign of life that does not say how long (RFC 2326, 12.37)."""

_PORTS: Final = {"rtsp": 554, "rtsps": 322}
_RECEIVE_BYTES: Final = 65_536
_RTP_BITS: Final = 32

_SENTENCES: Final = {
    401: "it refuses the account: check 'username' and 'password_file'",
    403: "it forbids this account to watch: give it the right in the camera",
    404: "it has no such stream: check the path in 'url'",
    406: "it cannot describe this stream: check the path in 'url'",
    453: "it has no room for one more viewer: end another one, or raise its limit",
    454: "it has lost the session",
    461: "it does not send over TCP: turn on RTSP over TCP in the camera",
    503: "it is too busy",
}


class RtspFeed:
    """A `Feed` over RTSP; ``url`` has no account in it."""

    def __init__(
        self, url: str, *, username: str, password: str, answer_s: float = ANSWER_S
    ) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._is_encrypted = parts.scheme == "rtsps"
        self._account = Account(username, password)
        self._answer_s = answer_s
        self.name = f"{self._host}:{self._port}"
        self._socket: socket.socket | None = None
        self._reset()

    def __repr__(self) -> str:
        return f"RtspFeed({self.name})"

    def open(self, bell: Bell) -> FeedInfo:
        """Connect, have the stream described, set it up and play it; raises SourceError."""
        self.close()
        self._bell = bell
        self._deadline = time.monotonic() + OPEN_S
        self._connect()
        described = self._ask("DESCRIBE", self._url, {"Accept": "application/sdp"})
        track, whole = read_description(described.body, self._base(described), name=self.name)
        wanted = "RTP/AVP/TCP;unicast;interleaved=0-1"
        self._channel = _channel(self._ask("SETUP", track.url, {"Transport": wanted}))
        self._pictures = RtpPictures(payload_type=track.payload_type)
        self._whole_url = whole
        self._ask("PLAY", whole, {"Range": "npt=0.000-"})
        self._alive_at = time.monotonic()
        return FeedInfo(
            rate_hz=track.rate_hz,
            bits=_RTP_BITS,
            parameter_sets=track.parameter_sets,
            fps=track.fps,
        )

    def read(self, timeout_s: float) -> Sequence[EncodedPicture]:
        """Return the pictures that have come; raises SourceError when the connection ends."""
        pictures: list[EncodedPicture] = []
        self._keep_alive()
        for each in self._early or self._receive(timeout_s):
            self._take(each, pictures)
        self._early.clear()
        return pictures

    def request_keyframe(self) -> bool:
        """Return False: RTSP has no word for it."""
        return False

    def close(self) -> None:
        """Say good-bye without waiting for an answer."""
        if self._socket is not None:
            if self._session:
                try:
                    self._socket.settimeout(0)
                    self._send("TEARDOWN", self._whole_url, {})
                except (OSError, SourceError):
                    pass  # it is gone already
            self._socket.close()
        self._reset()

    def _reset(self) -> None:
        self._socket = None
        self._reader = Reader()
        self._early: list[Interleaved] = []
        self._early_bytes = 0
        self._account.begin()
        self._session = ""
        self._session_s = SESSION_S
        self._number = 0
        self._whole_url = self._url
        self._channel = 0

    def _base(self, described: Answer) -> str:
        """Return what the parts' addresses count from: nothing but this camera."""
        base = described.header("content-base") or described.header("content-location")
        try:
            is_here = urlsplit(base).hostname == self._host
        except ValueError:  # brackets that are no IPv6 address
            is_here = False
        return base if is_here else self._url

    def _connect(self) -> None:
        try:
            connection = socket.create_connection((self._host, self._port), CONNECT_S)
            self._socket = connection
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._is_encrypted:
                self._socket = self._encrypt(connection)
        except socket.gaierror as error:
            raise SourceError(self.name, "its name is not known: check 'url'") from error
        except ConnectionRefusedError as error:
            reason = "nothing listens there: is RTSP turned on, and is the port right?"
            raise SourceError(self.name, reason) from error
        except OSError as error:
            reason = f"it cannot be reached ({error.strerror or 'no answer'}): is it on?"
            raise SourceError(self.name, reason) from error
        self._socket.setblocking(False)

    def _encrypt(self, connection: socket.socket) -> ssl.SSLSocket:
        try:
            return _trusting().wrap_socket(connection, server_hostname=self._host)
        except OSError as error:  # also where it waits for a plain request
            connection.close()
            raise SourceError(self.name, "it does not speak TLS there: try rtsp://") from error

    def _ask(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        """Send a request and wait for its answer, with the account where it is asked for."""
        answer = self._exchange(method, url, headers)
        if answer.status == 401:  # noqa: PLR2004
            if not self._account:
                text = "it wants an account: set 'username' and 'password_file'"
                raise SourceError(self.name, text)
            if self._account.challenge(answer.headers.get("www-authenticate", ())):
                answer = self._exchange(method, url, headers)
        if 300 <= answer.status < 400:  # noqa: PLR2004
            raise SourceError(self.name, "the stream has moved: look for its new 'url'")
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            sentence = _SENTENCES.get(answer.status, f"it answers {method} with {answer.status}")
            raise SourceError(self.name, sentence)
        return answer

    def _exchange(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        self._send(method, url, headers)
        answer: Answer | None = None
        until = min(time.monotonic() + self._answer_s, self._deadline)
        while (left_s := until - time.monotonic()) > 0:
            if self._bell.is_last:
                raise SourceError(self.name, "it is not needed any more")
            for each in self._receive(left_s):
                if isinstance(each, Answer):
                    if each.status >= 200 and each.number == self._number:  # noqa: PLR2004
                        self._note_session(each)
                        answer = each
                else:
                    self._keep_early(each)
            if answer is not None:
                return answer
        raise SourceError(self.name, f"it does not answer {method}")

    def _keep_early(self, packet: Interleaved) -> None:
        """Keep what comes before the answer to PLAY: it may be of the first picture."""
        self._early_bytes += len(packet.data)
        if len(self._early) < EARLY_PACKETS and self._early_bytes <= EARLY_BYTES:
            self._early.append(packet)

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        if self._socket is None:
            raise SourceError(self.name, "it is not connected")
        self._number += 1
        fields = dict(headers)
        if self._session:
            fields["Session"] = self._session
        if authorization := self._account.header(method, url):
            fields["Authorization"] = authorization
        try:
            self._socket.sendall(encode_request(method, url, self._number, fields))
        except OSError as error:
            raise SourceError(self.name, "it has closed the connection") from error

    def _receive(self, timeout_s: float) -> list[Answer | Interleaved]:
        """Return what has come; nothing after the time-out or at the bell."""
        connection = self._socket
        if connection is None:
            raise SourceError(self.name, "it is not connected")
        is_pending = isinstance(connection, ssl.SSLSocket) and connection.pending()
        if not is_pending and not self._bell.wait(timeout_s, connection.fileno()):
            return []
        try:
            data = connection.recv(_RECEIVE_BYTES)
            # Cameras that collect small packets (Nagle) would wait 40 ms for each late receipt. The
            # kernel forgets this again and again.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            found = list(self._reader.feed(data))
        except (BlockingIOError, ssl.SSLWantReadError):
            return []
        except OSError as error:
            reason = f"the connection broke ({error.strerror or type(error).__name__})"
            raise SourceError(self.name, reason) from error
        except LocalProtocolError as error:
            raise SourceError(self.name, str(error)) from error
        if not data:
            raise SourceError(self.name, "it has closed the connection")
        return found

    def _take(self, each: Answer | Interleaved, pictures: list[EncodedPicture]) -> None:
        if isinstance(each, Interleaved):
            if each.channel == self._channel:
                pictures += self._pictures.take(each.data, time.monotonic_ns())
        elif each.status == 401:  # noqa: PLR2004 - a sign of life: the camera changed its nonce
            self._account.challenge(each.headers.get("www-authenticate", ()))
        elif each.status == 454:  # noqa: PLR2004
            raise SourceError(self.name, _SENTENCES[454])

    def _keep_alive(self) -> None:
        """Say that we are still there, twice within the time that the camera waits."""
        now = time.monotonic()
        if now - self._alive_at >= self._session_s / 2:
            self._alive_at = now
            self._send("OPTIONS", self._whole_url, {})

    def _note_session(self, answer: Answer) -> None:
        session, _, rest = answer.header("session").partition(";")
        if session:
            self._session = session.strip()
            seconds = number_of(rest.strip().lower().removeprefix("timeout="))
            if seconds >= 0:
                self._session_s = min(max(seconds, 2), SESSION_S)


def _channel(answer: Answer) -> int:
    """Return the channel on which the camera will send RTP."""
    for each in answer.header("transport").split(";"):
        key, _, value = each.strip().partition("=")
        first = number_of(value.partition("-")[0])
        if key.lower() == "interleaved" and first >= 0:
            return first
    return 0


def _trusting() -> ssl.SSLContext:
    """Return what accepts any certificate: cameras have made their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
