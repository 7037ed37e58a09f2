"""The credentials file of one device or viewer: who it is and how it reaches the broker.

It must not know how the broker is spoken to: paho is not imported before ``broker_settings``.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mqcam.config import Secret

if TYPE_CHECKING:
    from mqcam.mqtt import BrokerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What ``mqcam-broker add-device`` and ``add-viewer`` hand out."""

    kind: Literal["device", "viewer"]
    name: str
    broker: tuple[str, ...]
    """URLs, tried together: ``mqtts://host:8883``, also ``mqtt``, ``ws``, ``wss``."""
    namespace: str = "mqcam"
    server_name: str = "mqcam-broker"
    ca: str | None = None
    """The certificates (PEM) that may vouch for the broker; None trusts the system's."""
    username: str | None = None
    password: Annotated[str | None, Secret()] = field(default=None, repr=False)

    def broker_settings(self) -> "BrokerSettings":
        """Return what ``mqcam.mqtt.MqttSession`` needs to reach the broker."""
        raise NotImplementedError


def load_credentials(path: Path | str) -> Credentials:
    """Read a credentials file; raise CredentialsError when it is open to others or damaged."""
    raise NotImplementedError


def write_credentials(path: Path | str, credentials: Credentials) -> None:
    """Write a credentials file in one step, readable by its owner only; raise CredentialsError."""
    raise NotImplementedError
