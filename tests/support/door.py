"""The man at a broker's door: takes its clients with its own key and passes on what they say.

It must not know mqcam: what is noted and what becomes of a message, the broker's owner says.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from support.mqtt_packets import (
    CONNECT,
    PUBLISH,
    Publish,
    kind_of,
    read_connect,
    read_packet,
    read_publish,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

THREAD_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One message; ``who`` is its reader on the way out and its writer on the way in."""

    who: str
    topic: str
    payload: bytes = field(repr=False)
    retained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Where the broker is, and the files that make the door look like it."""

    port: int
    server_name: str
    ca_certificate: Path
    certificate: Path
    key: Path


class Owner(Protocol):
    """Whoever put the man there; called in the door's thread."""

    def told(self, packet: Packet) -> None:
        """Note what a client says, wills included."""

    def handed(self, packet: Packet) -> Iterable[Packet]:
        """Return what becomes of a message on its way to a reader."""


class Door:
    """The thread that takes connections, with a connection to the broker behind each."""

    def __init__(self, behind: Behind, owner: Owner) -> None:
        self.port = 0
        self._behind = behind
        self._owner = owner
        self._clients: dict[asyncio.StreamWriter, str] = {}
        self._watchers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        opened = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="liar")
        self._thread.start()
        if not opened.wait(THREAD_TIMEOUT_S):
            raise RuntimeError("the door does not open")

    def close(self) -> None:
        """End all connections and the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(THREAD_TIMEOUT_S)

    def call(self, function: Callable[[], int]) -> int:
        """Call a function in the door's thread and return its result."""

        async def called() -> int:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(THREAD_TIMEOUT_S)

    @property
    def guests(self) -> Counter[str]:
        """Return whose connections are open, and how many."""
        return Counter(self._clients.copy().values())

    def send(self, packet: Packet) -> int:
        """Hand a message to every program of its reader; return how many there are."""
        writers = [writer for writer, who in self._clients.items() if who == packet.who]
        for writer in writers:
            writer.write(_as_qos_0(packet))
        return len(writers)

    def cut(self, who: str) -> int:
        """End the connections of one account; return how many there were."""
        writers = [writer for writer, name in self._clients.items() if name == who]
        for writer in writers:
            writer.transport.abort()
        return len(writers)

    @contextlib.contextmanager
    def watched(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
        """Set an event of another thread's loop whenever something passed."""
        watcher = (loop, asyncio.Event())
        self._watchers.append(watcher)
        try:
            yield watcher[1]
        finally:
            self._watchers.remove(watcher)

    def _run(self, opened: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(opened))
        finally:
            self._loop.close()

    async def _serve(self, opened: threading.Event) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._behind.certificate, self._behind.key)
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._pass_on(reader, writer), name="door")
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        self.port = listener.sockets[0].getsockname()[1]
        opened.set()
        await self._stop.wait()
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = self._behind
        context = ssl.create_default_context(cafile=str(behind.ca_certificate))
        from_broker, to_broker = await asyncio.open_connection(
            "127.0.0.1", behind.port, ssl=context, server_hostname=behind.server_name
        )
        ways = {
            asyncio.create_task(self._inwards(reader, writer, to_broker), name="inwards"),
            asyncio.create_task(self._outwards(from_broker, to_broker, writer), name="outwards"),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, to_broker):
                end.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()
            self._clients.pop(writer, None)
            self._tell_watchers()

    async def _inwards(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_broker: asyncio.StreamWriter,
    ) -> None:
        """Pass on what a client says, unchanged."""
        while True:
            packet = await read_packet(reader)
            said: Publish | None = None
            if kind_of(packet) == CONNECT:
                connect = read_connect(packet)
                self._clients[writer], said = connect.username, connect.will
            elif kind_of(packet) == PUBLISH:
                said = read_publish(packet)
            if said is not None:
                self._owner.told(self._packet(writer, said))
                self._tell_watchers()
            to_broker.write(packet)

    async def _outwards(
        self,
        from_broker: asyncio.StreamReader,
        to_broker: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Pass on what the broker says; of its messages what the owner wants, without receipts."""
        while True:
            packet = await read_packet(from_broker)
            if kind_of(packet) != PUBLISH:
                writer.write(packet)
                continue
            message = read_publish(packet)
            to_broker.write(message.receipt())
            noted = self._packet(writer, message)
            for each in self._owner.handed(noted):
                if each.who == noted.who:  # one of perhaps several programs of this reader
                    writer.write(_as_qos_0(each))
                else:
                    self.send(each)
            self._tell_watchers()

    def _packet(self, writer: asyncio.StreamWriter, message: Publish) -> Packet:
        return Packet(
            who=self._clients.get(writer, ""),
            topic=message.topic,
            payload=message.payload,
            retained=message.retained,
        )

    def _tell_watchers(self) -> None:
        for loop, changed in tuple(self._watchers):
            with contextlib.suppress(RuntimeError):  # that test's loop is over
                loop.call_soon_threadsafe(changed.set)


def _as_qos_0(packet: Packet) -> bytes:
    message = Publish(topic=packet.topic, payload=packet.payload, retained=packet.retained)
    return message.as_qos_0()
