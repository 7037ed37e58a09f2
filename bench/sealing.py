"""What one message costs: signed and sealed by the viewer, opened and verified by the camera.

It must not know how figures are shown. Nothing is sent anywhere.
"""

from __future__ import annotations

import secrets
import time

from mqcam.protocol.codec import encode
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.messages import Offer
from mqcam.protocol.topics import SESSION_BYTES, Namespace, new_session_id
from mqcam.trust.envelope import DeviceEnvelope, ViewerEnvelope
from mqcam.trust.keys import SigningKey

OFFER_BYTES = 3500
MESSAGES_PER_RUN = 200
NAMESPACE = "mqcam"


def offer_of(size: int = OFFER_BYTES, *, nonce: str = "") -> Offer:
    """Return an offer whose body has ``size`` bytes; no camera understands its SDP."""
    empty = len(encode(Offer(nonce=nonce, sdp="")))
    return Offer(nonce=nonce, sdp="v" * (size - empty))


def new_session() -> str:
    """Return a session id that was never used."""
    return new_session_id(secrets.token_bytes(SESSION_BYTES))


def sealing_us(runs: int) -> tuple[float, ...]:
    """Return what each offer cost both ends together, its session's sealing key included."""
    device, viewer = SigningKey.generate(), SigningKey.generate()
    reader, writer = DeviceEnvelope(device, NAMESPACE), ViewerEnvelope(viewer, NAMESPACE)
    recipient = Recipient(key=device.public, seal_key=reader.seal_key)
    topics, body = Namespace(NAMESPACE), encode(offer_of())
    samples = []
    for _ in range(runs * MESSAGES_PER_RUN):
        topic = topics.to_device("bench", "laptop", new_session())
        began_at = time.perf_counter()
        opened = reader.open(topic, writer.seal(topic, body, recipient))
        samples.append((time.perf_counter() - began_at) * 1e6)
        writer.forget(topic)
        if opened.body != body or opened.key != viewer.public:
            raise RuntimeError("what was opened is not what was sealed")
    return tuple(samples)
