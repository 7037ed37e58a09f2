"""The device `cam` in the states that tests begin with.

It must not know a viewer's endpoint: messages of viewers are written by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.protocol.effects import (
    Effect,
    Ended,
    SessionKey,
)
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import (
    Error,
    Offer,
)
from support.endpoints import (
    make_device,
    sent,
    to_device,
)

if TYPE_CHECKING:
    from mqcam.protocol.device import DeviceEndpoint


def key_of(session: str = "s1", viewer: str = "alice") -> SessionKey:
    """Return the device's key of a session with a viewer."""
    return SessionKey(peer=viewer, peer_key=viewer, session=session)


def started(max_viewers: int = 4, **limits: float) -> DeviceEndpoint:
    """Return a device that has said its status at 0 s; ``limits`` are fields of Limits."""
    device = make_device(max_viewers=max_viewers, limits=Limits(**limits))  # type: ignore[arg-type]
    device.start(0.0)
    return device


def offer(device: DeviceEndpoint, *, replaces: str = "", sdp: str = "v=0") -> Offer:
    """Return an offer with the device's present nonce."""
    return Offer(nonce=device.status.nonce, sdp=sdp, replaces=replaces)


def offered(device: DeviceEndpoint, session: str = "s1", viewer: str = "alice") -> list[Effect]:
    """Let the device receive an offer at 0 s and return the effects."""
    message = to_device(offer(device), session=session, viewer=viewer)
    return device.receive(message, 0.0)


def connected(device: DeviceEndpoint, session: str = "s1", viewer: str = "alice") -> SessionKey:
    """Bring a session up to its connection at 0 s and return its key."""
    key = key_of(session, viewer)
    offered(device, session, viewer)
    device.answered(key, sdp="v=0", now=0.0)
    device.connected(key, 0.0)
    return key


def error(effects: list[Effect]) -> Error:
    """Return the only error that the effects send."""
    found = [message for message in sent(effects) if isinstance(message, Error)]
    assert len(found) == 1
    return found[0]


def ends(effects: list[Effect]) -> list[Ended]:
    """Return the ends that the effects tell."""
    return [effect for effect in effects if isinstance(effect, Ended)]
