"""A long line between two hosts: each packet arrives later than it was sent.

Run as ``delayline.py HOST HOST DELAY_MS``; it opens the TUN interface of each host and ends with
its input. This kernel may have no netem. It must not know what the packets are.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.namespaces import INTERFACE, enter

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_BYTES = 2048
WAITING_LIMIT = 8192


def open_interface(namespace: str) -> int:
    """Open the TUN interface of a host."""
    enter(namespace)
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", INTERFACE.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    return descriptor


def serve(ends: tuple[int, int], delay_s: float) -> None:
    """Carry packets until standard input ends; full, it drops."""
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select([sys.stdin, *ends], [], [], wait_s)
        now = time.monotonic()
        if sys.stdin in readable:
            return
        for one, other in (ends, ends[::-1]):
            while one in readable and len(waiting) < WAITING_LIMIT:
                try:
                    packet = os.read(one, PACKET_BYTES)
                except BlockingIOError:
                    break
                waiting.append((now + delay_s, other, packet))
        while waiting and waiting[0][0] <= now:
            _, end, packet = waiting.popleft()
            try:
                os.write(end, packet)
            except OSError:
                continue  # the interface is not up yet, or its queue is full


if __name__ == "__main__":
    opened = (open_interface(sys.argv[1]), open_interface(sys.argv[2]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    serve(opened, float(sys.argv[3]) / 1000)
