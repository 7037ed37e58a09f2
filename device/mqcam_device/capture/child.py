"""The capture child's work: obey the agent, hand it units, end with it.

It must not know viewers, the network or secrets; it imports neither aiortc nor paho.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

from mqcam.errors import LocalProtocolError, MqcamError

from mqcam_device.capture import wire
from mqcam_device.capture.build import build_name
from mqcam_device.capture.outbox import Outbox
from mqcam_device.media import SourceState

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from mqcam_device.media import StreamInfo, VideoSource

OK, SOURCE_FAILED, AGENT_NOT_UNDERSTOOD = 0, 3, 4
"""Exit codes: told to stop, the source cannot run, the agent is of another build."""

_RECEIVE_BYTES = 64 * 1024
_STOP_S = 1.0
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
    """One source, one writer thread, and the main thread that reads."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._outbox = Outbox(self._request_keyframe)
        self._source: VideoSource | None = None
        self._info: StreamInfo | None = None
        self._has_failed = False
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._writer.start()

    def serve(self) -> int:
        """Read until the agent says stop, goes away or cannot be understood."""
        self._outbox.put(wire.Hello(version=wire.VERSION, build=build_name()))
        try:
            self._serve_messages(self._read())
        except MqcamError as error:
            self._tell(SourceState.FAILED, None, str(error))
            self._await_hangup()
            is_stranger = isinstance(error, LocalProtocolError)
            return AGENT_NOT_UNDERSTOOD if is_stranger else SOURCE_FAILED
        return SOURCE_FAILED if self._has_failed else OK

    def close(self) -> bool:
        """End source and writer; False if one of them hangs."""
        has_stopped = self._source is None or self._source.stop(_STOP_S)
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
        if isinstance(message, wire.Start):
            self._start(message)
            return
        source = self._source
        if source is None:
            return
        if isinstance(message, wire.Activate):
            (source.resume if message.active else source.pause)(message.layer)
        elif isinstance(message, wire.Keyframe):
            source.request_keyframe(message.layer)
        elif isinstance(message, wire.Bitrate):
            source.set_bitrate(message.bitrate_bps, message.layer)
        elif isinstance(message, wire.Framerate):
            source.set_framerate(message.fps)

    def _start(self, message: wire.Start) -> None:
        from mqcam_device.sources.selection import make_source  # noqa: PLC0415 - after the hello

        if self._source is not None:
            raise LocalProtocolError("the agent started a source twice")
        self._source = make_source(message.settings)
        info = self._source.start(self._outbox.put, self._tell)
        self._outbox.put(wire.State(state=SourceState.RUNNING, info=info))

    def _tell(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        self._outbox.put(wire.State(state=state, info=info, text=text))
        if state is SourceState.FAILED:
            self._has_failed = True  # the agent reads it and hangs up

    def _request_keyframe(self, layer: str) -> None:
        if self._source is not None:
            self._source.request_keyframe(layer)

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
        while (message := self._outbox.take()) is not None:
            try:
                self._link.sendall(wire.encode(message))
            except LocalProtocolError:
                continue  # a monstrous unit: the hole in the numbers makes the hub ask again
            except OSError:
                return  # the agent has gone; the main thread sees it too
