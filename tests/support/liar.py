"""A broker whose owner lies: mosquitto with the shipped files, and a man at its door with its key.

It must not know what a lie should achieve: tests do. Programs connect to the door with TLS as to
the true broker. Everything that passes is kept; what goes out to a reader is what the lie says.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, TypeAlias

from mqcam.credentials import load_credentials, write_credentials
from mqcam_broker.folder.names import SERVER_NAME
from support.broker import ShippedBroker
from support.door import Behind, Door, Packet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from mqcam.credentials import Kind

SEEN_TIMEOUT_S = 5.0

READABLE = {
    "an IP address": re.compile(rb"(?<![0-9.])[0-9]{1,3}(\.[0-9]{1,3}){3}(?![0-9.])"),
    "an ICE password": re.compile(rb"ice-(pwd|ufrag)"),
    "a fingerprint": re.compile(rb"a=fingerprint|sha-256"),
    "a candidate": re.compile(rb"candidate:|typ (host|srflx|relay)"),
    "a TURN server": re.compile(rb"turns?:|credential"),
    "a description": re.compile(rb'"sdp"|m=video'),
}
"""What no broker may read, as it would be written where it could."""


Lie: TypeAlias = "Callable[[Packet], Iterable[Packet]]"
"""What becomes of a message on its way to a reader: itself, another, several, nothing."""


def truth(packet: Packet) -> Iterable[Packet]:
    """Hand over what was sent."""
    return (packet,)


def readable(packets: Iterable[Packet]) -> set[str]:
    """Return what the broker could read in these messages and should not."""
    texts = [packet.topic.encode() + b" " + packet.payload for packet in packets]
    return {what for what, look in READABLE.items() if any(map(look.search, texts))}


class Liar(ShippedBroker):
    """A shipped broker behind a door that lies; use it as the other one."""

    def __init__(self, *, namespace: str = "mqcam") -> None:
        super().__init__(namespace=namespace)
        self.written: list[Packet] = []
        """What clients said to the broker, wills included."""
        self.delivered: list[Packet] = []
        """What the broker had for its readers, before the lie."""
        self.mistakes: list[Exception] = []
        self._lie: Lie = truth
        self._door: Door | None = None

    def start(self) -> Self:
        """Start mosquitto and open the door."""
        super().start()
        self._door = Door(self._behind(), self)
        return self

    def close(self) -> None:
        """Close the door, end mosquitto, remove all files."""
        if self._door is not None:
            self._door.close()
            self._door = None
        super().close()

    def credentials(self, kind: Kind, name: str) -> Path:
        """Return credentials that lead to the door."""
        true = super().credentials(kind, name)
        file = self.root / f"{name}.{kind}.door.yaml"
        if not file.exists():
            door = (f"mqtts://127.0.0.1:{self.door.port}",)
            write_credentials(file, dataclasses.replace(load_credentials(true), broker=door))
        return file

    @property
    def door(self) -> Door:
        """Return the open door."""
        if self._door is None:
            raise RuntimeError("the broker does not run")
        return self._door

    def on_publish(self, lie: Lie) -> None:
        """Let ``lie`` decide about every message from now on; it runs in the door's thread."""
        self._lie = lie

    @contextlib.contextmanager
    def lying(self, lie: Lie) -> Iterator[None]:
        """Lie inside the block; raises what the lie itself did wrong."""
        self.on_publish(lie)
        try:
            yield
        finally:
            self.on_publish(truth)
        if self.mistakes:
            raise self.mistakes.pop()

    def deliver(self, packet: Packet) -> int:
        """Hand a message to its reader as if somebody had sent it; return to how many programs."""
        return self.door.call(lambda: self.door.send(packet))

    def cut(self, who: str) -> None:
        """End the connections of one account."""
        self.door.call(lambda: self.door.cut(who))

    async def seen(self, condition: Callable[[], bool], timeout_s: float = SEEN_TIMEOUT_S) -> None:
        """Wait until what has passed fulfils a condition."""
        with self.door.watched(asyncio.get_running_loop()) as changed:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    changed.clear()
                    await changed.wait()

    @contextlib.asynccontextmanager
    async def guests_leave(self) -> AsyncIterator[None]:
        """Wait at the end of the block until who came inside it has left."""
        before = self.door.guests
        yield
        await self.seen(lambda: not self.door.guests - before)

    # what the door asks (door.Owner)

    def told(self, packet: Packet) -> None:
        """Keep what a client says."""
        self.written.append(packet)

    def handed(self, packet: Packet) -> list[Packet]:
        """Return what becomes of a message; a lie that fails hands over nothing."""
        self.delivered.append(packet)
        try:
            return list(self._lie(packet))
        except Exception as error:  # noqa: BLE001 - told to the test, in its own thread
            self.mistakes.append(error)
            return []

    def _behind(self) -> Behind:
        return Behind(
            port=self.port,
            server_name=SERVER_NAME,
            ca_certificate=self.directory.ca_certificate,
            certificate=self.directory.server_certificate,
            key=self.directory.server_key,
        )
