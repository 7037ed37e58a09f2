"""What a connection is told at its start, what it learns from the broker, and whom it tells.

It must not know the MQTT library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mqcam.errors import (
    AccountRefused,
    BrokerError,
    BrokerRefused,
    BrokerTooOld,
    BrokerUnreachable,
)

if TYPE_CHECKING:
    from mqcam.transport import Incoming, Outgoing

UNSUPPORTED_VERSION = 0x84
UNKNOWN_ACCOUNT = frozenset({0x86, 0x87})
"""Bad User Name or Password, Not authorized: mosquitto says the second for both."""
REFUSALS = frozenset({0x85, 0x8A, 0x8C})
"""CONNACK codes that only another client id, user or password can cure (MQTT 5, 3.2.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """What CONNECT says about us."""

    client_id: str
    clean_start: bool
    session_expiry_s: int
    keepalive_s: int
    largest_incoming_bytes: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    will: Outgoing | None = None
    will_delay_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What CONNACK says about the broker."""

    session_present: bool
    window: int
    largest_packet_bytes: int


class LinkOwner(Protocol):
    """Who is told what arrives; none of these may raise."""

    def on_message(self, message: Incoming) -> None:
        """Take a message."""

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Take the broker's answer to a message of ours."""

    def on_turn(self) -> None:
        """Use what the arrivals of this turn made possible."""


def refusal(code: int, reason: str, address: str) -> BrokerError:
    """Say what a CONNACK with a failure means and what to check."""
    if code == UNSUPPORTED_VERSION:
        sentence = "it speaks no MQTT 5: use mosquitto 1.6 or newer, or another broker with MQTT 5"
        return BrokerTooOld(sentence, address=address)
    if code in UNKNOWN_ACCOUNT:
        sentence = (
            "the account is unknown there or was removed: look with 'mqcam-broker list' on the "
            "broker; if it is missing, add it again and copy the new file"
        )
        return AccountRefused(sentence, address=address)
    if code in REFUSALS:
        sentence = f"it does not let us in ({reason}): check user, password and client id"
        return BrokerRefused(sentence, address=address)
    return BrokerUnreachable(f"it does not take us at present ({reason})", address=address)
