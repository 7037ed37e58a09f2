"""Start the capture child: ``python -m mqcam_device.capture FD``.

It must not know anything but the number of the socket that the agent passed on.
"""

from __future__ import annotations

import socket
import sys

from mqcam_device.capture import child


def main(arguments: list[str]) -> int:
    """Return the exit code of a child on the socket whose number is the only argument."""
    if len(arguments) != 1 or not arguments[0].isdigit():
        sys.stderr.write("mqcam_device.capture is started by mqcam-device run, not by hand\n")
        return 2
    return child.run(socket.socket(fileno=int(arguments[0])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
