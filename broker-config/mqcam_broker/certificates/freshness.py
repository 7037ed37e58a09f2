"""Whether every listener of the running broker shows the certificate that lies in its folder.

It must not know how certificates are made. mosquitto 2.0 reads them again on SIGHUP for MQTT, but
not for websockets: those want a restart.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING

from cryptography import x509

from mqcam_broker.mosquitto.process import PROBE_TIMEOUT_S, listeners

if TYPE_CHECKING:
    from mqcam_broker.folder.directory import BrokerDirectory
    from mqcam_broker.mosquitto.process import Listener

RELOAD_TIMEOUT_S = 5.0
INTERVAL_S = 0.05


def stale_listeners(
    directory: BrokerDirectory, *, timeout_s: float = RELOAD_TIMEOUT_S
) -> list[Listener]:
    """Return the listeners that still show another certificate after ``timeout_s``."""
    wanted = _serial(directory.server_certificate.read_bytes())
    stale = listeners(directory.configuration)
    deadline = time.monotonic() + timeout_s
    while True:
        stale = [each for each in stale if _shown(each) != wanted]
        # What is not served by the first listener will not be by the others; websockets never.
        if not stale or time.monotonic() > deadline:
            return stale
        time.sleep(INTERVAL_S)


def _shown(listener: Listener) -> int | None:
    """Return the serial number of the certificate that a listener shows; None: it shows none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is said: the certificate is what we look at
    address = (listener.reachable_host, listener.port)
    try:
        with (
            socket.create_connection(address, timeout=PROBE_TIMEOUT_S) as plain,
            context.wrap_socket(plain) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
            with contextlib.suppress(OSError):
                secured.unwrap()
    except OSError:
        return None
    return x509.load_der_x509_certificate(shown).serial_number if shown else None


def _serial(certificate: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate).serial_number
