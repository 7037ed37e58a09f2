"""TLS handshakes with a broker of the tests, as a careful client makes them, and as others do."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from mqcam_broker.folder.names import SERVER_NAME

if TYPE_CHECKING:
    from support.broker import ShippedBroker

DEADLINE_S = 5.0


def handshake(broker: ShippedBroker, context: ssl.SSLContext, name: str = SERVER_NAME) -> str:
    """Complete a TLS handshake and return the version that was agreed on."""
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        version = secured.version()
        with contextlib.suppress(OSError):
            secured.unwrap()
        return str(version)


def pinned(broker: ShippedBroker) -> ssl.SSLContext:
    """Return what a client trusts who has the broker's credentials."""
    context = ssl.create_default_context(cafile=str(broker.directory.ca_certificate))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by itself
    return context
