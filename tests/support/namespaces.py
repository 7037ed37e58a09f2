"""Hosts with networks between them: network namespaces that a test makes and removes.

It must not know what runs on the hosts. Needs root and iproute2, a firewall also nftables.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

TIMEOUT_S = 10.0
INTERFACE = "eth0"
CLONE_NEWNET = 0x40000000

Result = TypeVar("Result")


def ip(*arguments: str) -> None:
    """Run one command of iproute2."""
    subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def enter(namespace: str) -> None:
    """Move the calling thread into a namespace; sockets that it opened before stay where they are.

    Raises OSError.
    """
    with Path("/var/run/netns", namespace).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)


def is_available() -> bool:
    """Tell whether namespaces can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class TwoHosts:
    """A camera's and a viewer's host, each with one address; a context manager."""

    def __init__(self) -> None:
        own = os.getpid()
        self.camera, self.viewer = f"mqcam-{own}-camera", f"mqcam-{own}-viewer"
        self.camera_address, self.viewer_address = "10.203.0.1", "10.203.0.2"

    def command(self, host: str, *arguments: str) -> list[str]:
        """Return the command that runs something on a host."""
        return ["ip", "netns", "exec", host, *arguments]

    def give_addresses(self) -> None:
        """Give each end of the line its address and switch it on."""
        for host, address in (
            (self.camera, self.camera_address),
            (self.viewer, self.viewer_address),
        ):
            ip("-n", host, "address", "add", f"{address}/24", "dev", INTERFACE)
            ip("-n", host, "link", "set", INTERFACE, "up")

    def cut(self) -> None:
        """Pull the cable out."""
        ip("-n", self.viewer, "link", "set", INTERFACE, "down")

    def mend(self) -> None:
        """Put the cable back."""
        ip("-n", self.viewer, "link", "set", INTERFACE, "up")

    def __enter__(self) -> Self:
        for host in (self.camera, self.viewer):
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
        ends = (INTERFACE, "netns", self.camera, "type", "veth", "peer", "name", INTERFACE)
        ip("link", "add", *ends, "netns", self.viewer)
        self.give_addresses()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for host in (self.camera, self.viewer):
            ip("netns", "delete", host)


class Host:
    """An event loop of its own on a host, in a thread of this process; a context manager."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"host {namespace}")

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something on the host and wait for its result."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _serve(self) -> None:
        enter(self._namespace)
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)


class Apart:
    """A camera's and a viewer's host that both reach a third one, and not each other."""

    def __init__(self) -> None:
        own = os.getpid()
        self.camera, self.viewer = f"mqcam-{own}-camera", f"mqcam-{own}-viewer"
        self.middle = f"mqcam-{own}-middle"
        self.camera_address, self.viewer_address = "10.204.2.2", "10.204.1.2"
        self.middle_address = "10.204.9.1"

    def command(self, host: str, *arguments: str) -> list[str]:
        """Return the command that runs something on a host."""
        return ["ip", "netns", "exec", host, *arguments]

    def __enter__(self) -> Self:
        for host in (self.camera, self.viewer, self.middle):
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
        # No host forwards: a fresh namespace has net.ipv4.ip_forward from the first one.
        forward = "echo 0 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(self.command(self.middle, "sh", "-c", forward), check=True)
        ip("-n", self.middle, "address", "add", f"{self.middle_address}/32", "dev", "lo")
        for host, network, port in ((self.viewer, "10.204.1", "v"), (self.camera, "10.204.2", "c")):
            ends = (INTERFACE, "netns", host, "type", "veth", "peer", "name", port)
            ip("link", "add", *ends, "netns", self.middle)
            ip("-n", host, "address", "add", f"{network}.2/24", "dev", INTERFACE)
            ip("-n", self.middle, "address", "add", f"{network}.1/24", "dev", port)
            ip("-n", host, "link", "set", INTERFACE, "up")
            ip("-n", self.middle, "link", "set", port, "up")
            ip("-n", host, "route", "add", "default", "via", f"{network}.1")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for host in (self.camera, self.viewer, self.middle):
            ip("netns", "delete", host)


def has_firewall() -> bool:
    """Tell whether nftables is installed."""
    return shutil.which("nft") is not None


def drop_new(namespace: str) -> None:
    """Put a firewall on a host that lets in only answers, as every home router does."""
    rules = (
        "table inet guard { chain input { type filter hook input priority 0; "
        "iifname lo accept; ct state established,related accept; ct state new drop; }; }\n"
    )
    subprocess.run(
        ["ip", "netns", "exec", namespace, "nft", "-f", "-"],
        input=rules,
        text=True,
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
