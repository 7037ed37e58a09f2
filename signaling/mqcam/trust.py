"""Who may believe whom: today the envelope that passes everything through.

It must not know sessions: it sees one topic and one payload at a time.
"""

from __future__ import annotations

from mqcam.errors import Unauthentic
from mqcam.protocol.envelope import Opened
from mqcam.protocol.topics import Kind, Namespace

_FIRST_BYTE_OF_A_PLAIN_BODY = b"{"


class PlainEnvelope:
    """Pass bodies through; the sender's name in the topic stands for its key.

    The broker's access rules alone make that name true.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = Namespace(namespace)

    def open(self, topic: str, payload: bytes) -> Opened:
        """Return the payload itself; raise Unauthentic for another wire form."""
        names = self._namespace.parse(topic)
        if names is None:
            raise Unauthentic("the topic names no sender")
        if not payload.startswith(_FIRST_BYTE_OF_A_PLAIN_BODY):
            raise Unauthentic(
                "the payload is not a plain body: "
                "the sender signs or seals and this program does neither yet"
            )
        key = names.viewer if names.kind is Kind.TO_DEVICE else names.device
        return Opened(body=payload, key=key)

    def seal(self, topic: str, body: bytes, recipient_key: str) -> bytes:  # noqa: ARG002
        """Return the body itself."""
        return body
