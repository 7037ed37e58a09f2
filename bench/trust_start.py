"""What trust adds to the start of an agent: modules, keys, files and the first signed status.

Started as ``python -m bench.trust_start CREDENTIALS FOLDER``: a fresh process, in which everything
else that an agent loads is loaded already. Prints milliseconds of loading and of making.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from mqcam.credentials import load_credentials
from mqcam.protocol.codec import encode
from mqcam.protocol.messages import Status
from mqcam.protocol.topics import Namespace

LOADED_ANYWAY = (
    "mqcam.connection",
    "mqcam.mqtt",
    "mqcam.protocol.device",
    "mqcam_device.capture.process",
    "mqcam_device.control",
    "mqcam_device.peers",
    "mqcam_device.wallclock",
)
TOO_EARLY = "mqcam.trust.envelope"


def main(credentials_file: str, folder: str) -> None:
    """Load and make what ``mqcam_device.app`` needs to believe anybody."""
    for name in LOADED_ANYWAY:
        importlib.import_module(name)
    if TOO_EARLY in sys.modules:
        raise RuntimeError(f"{TOO_EARLY} was loaded by something else: measure it apart")
    credentials = load_credentials(credentials_file)
    began_at = time.perf_counter()
    from mqcam_device.trust import Trust  # noqa: PLC0415 - this is what is measured

    loaded_at = time.perf_counter()
    trust = Trust(credentials, folder=Path(folder), on_owner_state=lambda _state: None)
    status = Status(n=0, state="online", boot="boot", nonce="nonce", certificate=trust.certificate)
    topic = Namespace(credentials.namespace).status(credentials.name)
    trust.envelope.seal(topic, encode(status), None)
    made_at = time.perf_counter()
    print((loaded_at - began_at) * 1000, (made_at - loaded_at) * 1000)


if __name__ == "__main__":
    main(*sys.argv[1:])
