"""What the engine tells the window, as values that cross from thread to thread.

It must not know Qt, nor what the window makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mqcam.protocol.messages import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerChanged:
    """The way to the broker stands, or does not: ``trouble`` says why."""

    is_connected: bool
    address: str = ""
    is_encrypted: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CamerasChanged:
    """All cameras heard of; None for one that the broker lost.

    ``refused`` says of names why whoever spoke last under them is not believed.
    """

    cameras: Mapping[str, Status | None]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged:
    """A camera has a new identity, and the owner vouches for it."""

    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting:
    """The way to a camera is being made for the first time."""

    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """A camera's pictures come, for the first time or again."""

    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """No picture comes; unless ``is_final``, it is tried again."""

    camera: str
    code: str
    text: str
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a camera's picture was during the last seconds; None is what is not known."""

    camera: str
    fps: float
    width: int
    height: int
    bitrate_bps: int | None
    latency_ms: float | None
    path: str
    idle_s: float
    """Seconds since the last picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureReady:
    """The slot of a camera holds a picture, after it was empty."""

    camera: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSaved:
    """A picture was written to a file."""

    camera: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFailed:
    """A picture was not written, and why."""

    camera: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFailed:
    """The engine made a mistake and ended; its log says which."""

    text: str


Event: TypeAlias = (
    BrokerChanged
    | CamerasChanged
    | IdentityChanged
    | Connecting
    | Playing
    | Interrupted
    | Measured
    | PictureReady
    | SnapshotSaved
    | SnapshotFailed
    | EngineFailed
)
