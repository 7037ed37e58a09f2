"""Two hosts with a cable between them: network namespaces that a test makes and removes.

It must not know what runs on the hosts. Needs root and iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

TIMEOUT_S = 10.0
INTERFACE = "eth0"


def ip(*arguments: str) -> None:
    """Run one command of iproute2."""
    subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )


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
        for host, address in (
            (self.camera, self.camera_address),
            (self.viewer, self.viewer_address),
        ):
            ip("-n", host, "address", "add", f"{address}/24", "dev", INTERFACE)
            ip("-n", host, "link", "set", INTERFACE, "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for host in (self.camera, self.viewer):
            ip("netns", "delete", host)
