"""Start the capture child: ``python -m mqcam_device.capture FD``.

It must not know anything but the number of the socket that the agent passed on.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys

from mqcam_device.capture import child

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Return the exit code of a child on the socket whose number is the only argument."""
    if len(arguments) != 1 or not arguments[0].isdigit():
        sys.stderr.write("mqcam_device.capture is started by mqcam-device run, not by hand\n")
        return 2
    end_with_agent()
    return child.run(socket.socket(fileno=int(arguments[0])))


def end_with_agent() -> None:
    """Let the kernel end us when the agent is killed, even while we are frozen or hang in a driver.

    The end of the socket tells the same to a child that still reads. Linux only: prctl(2).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
