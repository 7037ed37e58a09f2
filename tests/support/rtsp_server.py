"""A network camera for tests: RTSP over TCP with accounts, written from RFC 2326 and RFC 7616.

It sends a clip again and again at its frame rate, or what a publisher (FFmpeg) records to it, and
goes wrong when told to. It must not know how mqcam reads it. One thread per client and one that
accepts; `stop` ends them all.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.clips import nals_of
from support.rtp import PAYLOAD_TYPE, packet, payloads

if TYPE_CHECKING:
    import ssl

TICKS_S = 90_000
GARBAGE = bytes(range(128, 256)) * 8


@dataclass(slots=True)
class Stream:
    """What the camera shows: units of one group of pictures, repeated."""

    units: list[bytes]
    fps: float = 30.0
    has_sets_in_description: bool = True
    has_sets_in_band: bool = True
    begins_with_keyframe: bool = True
    codec: str = "H264"
    first_timestamp: int = 2**32 - 20_000
    marks: bool = True


@dataclass(slots=True)
class Wishes:
    """How the camera treats its clients; may be changed at any time."""

    account: tuple[str, str] | None = None
    scheme: str = "digest"
    """digest, digest-old (without qop), digest-sha256 or basic."""
    status: dict[str, int] = field(default_factory=dict)
    """A status with which a method is answered instead."""
    silent: set[str] = field(default_factory=set)
    """Methods that are not answered."""
    session_s: int | None = None
    is_stalled: bool = False
    says_garbage: bool = False


class RtspServer:
    """Serves on a free port of loopback from its making to `stop`."""

    def __init__(
        self,
        stream: Stream,
        wishes: Wishes | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self.stream = stream
        self.wishes = wishes or Wishes()
        self.requests: list[str] = []
        self.heads: list[str] = []
        self.began_at = time.monotonic()
        self.sent_ns: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._clients: list[_Client] = []
        self._threads: list[threading.Thread] = []
        self._is_stopped = False
        self.players: list[_Client] = []
        self.description: str | None = None
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        scheme = "rtsps" if self._tls else "rtsp"
        return f"{scheme}://127.0.0.1:{self.port}/stream1"

    def hang_up(self) -> None:
        """Close all connections; new ones are taken."""
        for client in tuple(self._clients):
            client.close()

    def refuse(self) -> None:
        """Listen no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def listen_again(self) -> None:
        """Listen on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._spawn(self._accept)

    def stop(self) -> None:
        """End all threads and sockets; may be repeated."""
        self._is_stopped = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="rtsp-server", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                connection.settimeout(5)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                continue
            client = _Client(self, connection)
            self._clients.append(client)
            self._spawn(client.serve)

    def forget(self, client: _Client) -> None:
        self._clients.remove(client)
        if client in self.players:
            self.players.remove(client)


class _Client:
    """One connection: requests are answered, then pictures sent on it."""

    def __init__(self, server: RtspServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._buffer = b""
        self._nonce = "5ca1ab1e"
        self._is_playing = self._is_recording = self._is_closed = False
        self._sending = threading.Lock()

    def serve(self) -> None:
        try:
            while self._serve_one():
                pass
        except OSError:
            pass
        finally:
            self.close()
            self._server.forget(self)

    def close(self) -> None:
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def send(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)

    def _serve_one(self) -> bool:
        if self._is_playing and not self._wait_for_request():
            return True
        if not self._buffer and not self._fill():
            return False
        if self._buffer.startswith(b"$"):
            return self._relay()
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return False
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        text = head.decode()
        length = int(_header(text, "Content-Length") or 0)
        while len(self._buffer) < length:
            if not self._fill():
                return False
        body, self._buffer = self._buffer[:length].decode(), self._buffer[length:]
        method, url, _ = text.split("\r\n", 1)[0].split(" ")
        self._server.requests.append(method)
        self._server.heads.append(text)
        return self._answer(method, url, text, body)

    def _fill(self) -> bool:
        data = self._connection.recv(65_536)
        self._buffer += data
        return bool(data)

    def _relay(self) -> bool:
        """Pass what a publisher records on to all who play."""
        while len(self._buffer) < 4 or len(self._buffer) < 4 + int.from_bytes(self._buffer[2:4]):
            if not self._fill():
                return False
        end = 4 + int.from_bytes(self._buffer[2:4])
        packet_, self._buffer = self._buffer[:end], self._buffer[end:]
        for player in tuple(self._server.players):
            try:
                player.send(packet_)
            except OSError:
                continue
        return True

    def _answer(self, method: str, url: str, text: str, body: str) -> bool:
        server, wishes = self._server, self._server.wishes
        number = _header(text, "CSeq")
        if method in wishes.silent:
            return True
        if wishes.account and not self._is_known(text, method, wishes):
            self._reply(number, 401, self._challenges(wishes.scheme))
        elif method in wishes.status:
            self._reply(number, wishes.status[method], [])
        elif method == "DESCRIBE":
            base = [f"Content-Base: {url}/", "Content-Type: application/sdp"]
            self._reply(number, 200, base, server.description or describe(server.stream))
        elif method == "ANNOUNCE":
            server.description = body
            self._reply(number, 200, [])
        elif method == "SETUP":
            timeout = f";timeout={wishes.session_s}" if wishes.session_s else ""
            transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
            self._reply(number, 200, [f"Session: 4711{timeout}", transport])
        elif method in {"PLAY", "RECORD"}:
            self._reply(number, 200, ["Session: 4711"])
            if method == "PLAY" and server.description:
                server.players.append(self)
            elif method == "PLAY":
                self._begin()
        else:
            self._reply(number, 200, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"])
        return method != "TEARDOWN"

    def _reply(self, number: str, status: int, headers: list[str], body: str = "") -> None:
        lines = [f"RTSP/1.0 {status} Some Reason", f"CSeq: {number}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", body]).encode())

    def _challenges(self, scheme: str) -> list[str]:
        realm = f'realm="cam \\"1\\"", nonce="{self._nonce}"'
        digest = {
            "digest": f'Digest {realm}, qop="auth", algorithm=MD5',
            "digest-old": f"Digest {realm}",
            "digest-sha256": f'Digest {realm}, qop="auth,auth-int", algorithm=SHA-256',
            "basic": 'Basic realm="cam"',
        }[scheme]
        return [f"WWW-Authenticate: {digest}"]

    def _is_known(self, text: str, method: str, wishes: Wishes) -> bool:
        given = _header(text, "Authorization")
        username, password = wishes.account or ("", "")
        if wishes.scheme == "basic":
            pair = base64.b64encode(f"{username}:{password}".encode()).decode()
            return given == f"Basic {pair}"
        fields = dict(re.findall(r'(\w+)=(?:"(?=(?:[^"\\]|\\.)*")|)((?:[^",\\]|\\.)*)', given))
        if not fields or fields.get("nonce") != self._nonce:
            return False

        def hashed(value: str) -> str:
            kind = "sha256" if wishes.scheme == "digest-sha256" else "md5"
            return hashlib.new(kind, value.encode()).hexdigest()

        secret = hashed(f'{username}:cam "1":{password}')
        action = hashed(f"{method}:{fields['uri']}")
        middle = f"{fields['nc']}:{fields['cnonce']}:auth:" if wishes.scheme != "digest-old" else ""
        return bool(fields["response"] == hashed(f"{secret}:{self._nonce}:{middle}{action}"))

    def _begin(self) -> None:
        """Begin where the camera is at present, or with its next group."""
        stream = self._server.stream
        present = (time.monotonic() - self._server.began_at) * stream.fps
        count = len(stream.units)
        self._picture = int(present)
        if stream.begins_with_keyframe:
            self._picture = (self._picture + count - 1) // count * count
            self._server.began_at -= (self._picture - present) / stream.fps
        self._sequence = 65_500
        self._is_playing = True

    def _wait_for_request(self) -> bool:
        """Send pictures until a request comes; True when there is one."""
        stream, wishes = self._server.stream, self._server.wishes
        due_at = self._server.began_at + self._picture / stream.fps
        self._connection.settimeout(max(due_at - time.monotonic(), 0.0005))
        with contextlib.suppress(TimeoutError):
            if not self._fill():
                raise OSError("end")
            self._connection.settimeout(5)
            return True
        self._connection.settimeout(5)
        if time.monotonic() >= due_at:
            if wishes.says_garbage:
                self.send(GARBAGE)
            elif not wishes.is_stalled:
                self._send_picture(stream)
            self._picture += 1
        return False

    def _send_picture(self, stream: Stream) -> None:
        nals = nals_of(stream.units[self._picture % len(stream.units)])
        if not stream.has_sets_in_band:
            nals = [nal for nal in nals if nal[0] & 0x1F not in (7, 8)]
        parts = payloads(nals)
        ticks = stream.first_timestamp + int(self._picture * TICKS_S / stream.fps)
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            made = packet(
                part, sequence=self._sequence, timestamp=ticks, marker=is_last and stream.marks
            )
            self._sequence += 1
            self.send(b"$\0" + len(made).to_bytes(2) + made)
        self._server.sent_ns.append(time.monotonic_ns())


def describe(stream: Stream) -> str:
    """Return a session description like those of cameras."""
    nals = [nal for nal in nals_of(stream.units[0]) if nal[0] & 0x1F in (7, 8)]
    sets = ",".join(base64.b64encode(nal).decode() for nal in nals)
    sprop = f";sprop-parameter-sets={sets}" if stream.has_sets_in_description else ""
    return "\r\n".join(
        [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=camera",
            "t=0 0",
            "a=control:*",
            "m=audio 0 RTP/AVP 0",
            "a=control:track1",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
            f"a=rtpmap:{PAYLOAD_TYPE} {stream.codec}/90000",
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1{sprop}",
            f"a=framerate:{stream.fps}",
            "a=control:track2",
            "",
        ]
    )


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip() if found else ""
