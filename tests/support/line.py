"""The network between hosts: each has a line of its own to one point in the middle.

Run as ``line.py SEED HOST=NAMESPACE=ADDRESS ...``: it opens the TUN interface of each host and ends
with its input. What leaves a host passes its way ``up`` and then the way ``down`` of the host that
has the packet's address. Each line of input is an order, answered by a line:

    HOST up|down delay MS | loss SHARE | rate BIT/S QUEUE_MS | black 0|1      -> ok
    counts                                                                    -> an object, as JSON

This kernel may have no netem. It must not know what the packets are for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.namespaces import INTERFACE, enter
from support.way import Way

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES = 2048
AT_ONCE = 64
"""So many packets of one host are read before the others have their turn."""
ORDERS_BYTES = 65_536
STANDARD_INPUT = 0
IPV4 = 4
DESTINATION = slice(16, 20)


def open_interface(namespace: str) -> int:
    """Open the TUN interface of a host."""
    enter(namespace)
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", INTERFACE.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    return descriptor


@dataclass(slots=True)
class End:
    """A host's interface and both directions of its line."""

    descriptor: int
    up: Way
    down: Way

    def receive(self, now: float) -> None:
        """Take what the host sent."""
        for _ in range(AT_ONCE):
            try:
                packet = os.read(self.descriptor, PACKET_BYTES)
            except BlockingIOError:
                return
            if packet[0] >> 4 == IPV4:  # what else a host says unasked concerns nobody here
                self.up.offer(packet, now)

    def deliver(self, now: float) -> None:
        """Hand over what has come for the host."""
        for packet in self.down.arrivals(now):
            with contextlib.suppress(OSError):  # the interface is not up yet, or its queue is full
                os.write(self.descriptor, packet)


@dataclass(slots=True)
class Network:
    """All hosts, by name and by address."""

    ends: dict[str, End] = field(default_factory=dict)
    addresses: dict[bytes, End] = field(default_factory=dict)

    def step(self, now: float) -> None:
        """Move every packet as far as it has come by now."""
        for end in self.ends.values():
            for packet in end.up.arrivals(now):
                to = self.addresses.get(packet[DESTINATION])
                if to is not None:
                    to.down.offer(packet, now)
        for end in self.ends.values():
            end.deliver(now)

    def next_at(self) -> float | None:
        """Return when a packet has come further."""
        times = [way.next_at() for end in self.ends.values() for way in (end.up, end.down)]
        return min((at for at in times if at is not None), default=None)

    def obey(self, order: str, now: float) -> str:
        """Carry out an order and return the answer."""
        try:
            if order == "counts":
                return json.dumps(self._counts(now))
            host, direction, what, *values = order.split()
            change(getattr(self.ends[host], direction), what, list(map(float, values)))
        except (ValueError, KeyError, AttributeError, IndexError) as error:
            return f"error {error!r} in {order!r}"
        return "ok"

    def _counts(self, now: float) -> dict[str, dict[str, float]]:
        counts = {}
        for name, end in self.ends.items():
            for direction, way in (("up", end.up), ("down", end.down)):
                way.counts.queue_ms = way.queue_s(now) * 1000
                counts[f"{name} {direction}"] = asdict(way.counts)
        return counts


def change(way: Way, what: str, values: list[float]) -> None:
    """Give one direction another property; raises ValueError for one that there is not."""
    match what:
        case "delay":
            way.delay_s = values[0] / 1000
        case "loss":
            way.loss = values[0]
        case "rate":
            way.narrow(values[0], values[1])
        case "black":
            way.is_black = bool(values[0])
        case _:
            raise ValueError(what)


def serve(network: Network) -> None:
    """Carry packets and obey orders until standard input ends."""
    readers = {end.descriptor: end for end in network.ends.values()}
    orders = b""
    while True:
        next_at = network.next_at()
        wait_s = None if next_at is None else max(0.0, next_at - time.monotonic())
        readable, _, _ = select.select([STANDARD_INPUT, *readers], [], [], wait_s)
        now = time.monotonic()
        for descriptor in readable:
            if descriptor in readers:
                readers[descriptor].receive(now)
        network.step(now)
        if STANDARD_INPUT in readable:
            read = os.read(STANDARD_INPUT, ORDERS_BYTES)
            if not read:
                return
            *complete, orders = (orders + read).split(b"\n")
            for order in complete:
                say(network.obey(order.decode(), now))


def say(line: str) -> None:
    """Write a line to whoever started us."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(seed: str, *hosts: str) -> None:
    """Open the interfaces and serve."""
    network = Network()
    for host in hosts:
        name, namespace, address = host.split("=")
        up, down = (Way(seed=f"{seed} {name} {way}") for way in ("up", "down"))
        end = End(open_interface(namespace), up, down)
        network.ends[name] = network.addresses[socket.inet_aton(address)] = end
    with contextlib.suppress(OSError):
        # A network does not wait until the machine has time for it.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    say("ready")
    serve(network)


if __name__ == "__main__":
    main(*sys.argv[1:])
