"""The messages of the wire as values, and the limits of what they hold.

It must not know how they are written: ``codec`` does, nor who sends them when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

VERSION = 1
"""The wire version that this program writes, and the highest that it reads."""
BODY_MAX_BYTES = 16_000
"""The largest body; what signing and sealing add must fit into PAYLOAD_MAX_BYTES."""
PAYLOAD_MAX_BYTES = 16_383
"""The largest MQTT payload: below 16 KiB."""
GONE_MAX_BYTES = 256
"""A larger payload is not looked at as an unsigned message."""

ONLINE = "online"
OFFLINE = "offline"
"""The state in which a device says good-bye."""

CANDIDATES_MAX = 32
CANDIDATE_MAX_CHARS = 512
UFRAG_MAX_CHARS = 256
TEXT_MAX_CHARS = 512
CODE_MAX_CHARS = 64
ICE_SERVERS_MAX = 8
ICE_URLS_MAX = 8
CAPABILITIES_MAX = 32
RIGHTS_MAX = 16
ROTATIONS = (0, 90, 180, 270)
"""Quarter turns, clockwise, in degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureState:
    """Say how the camera's capture is doing; an unknown size or rate is None.

    ``state`` is stopped, starting, running, stalled, failed, or a later word. ``width`` and
    ``height`` are those of the encoded picture, ``rotation`` is how far a viewer turns it
    clockwise for it to stand upright: one of ROTATIONS, in degrees.
    """

    state: str = "stopped"
    width: int | None = None
    height: int | None = None
    fps_min: float | None = None
    fps_max: float | None = None
    rotation: int = 0
    text: str = ""

    @property
    def upright_size(self) -> tuple[int, int] | None:
        """Return width and height as a person sees them, None while they are not known."""
        if self.width is None or self.height is None:
            return None
        is_on_its_side = self.rotation % 180 != 0
        return (self.height, self.width) if is_on_its_side else (self.width, self.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Say whether the device's wall clock can be believed."""

    synchronised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaClock:
    """Pair an RTP timestamp (90 kHz) with its capture time.

    ``captured_us`` counts microseconds on the clock from which the device's RTCP sender
    reports are made.
    """

    rtp_timestamp: int
    captured_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Say what picture a viewer would like; None and the empty layer leave it to the device."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bitrate_bps: int | None = None
    layer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServer:
    """Hold a STUN or TURN server that the device lends to the viewer."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Say how a device is; ``n`` counts up within one ``boot``.

    ``since`` is the Unix second of an offline status, None where the clock cannot be believed.
    """

    n: int
    state: str
    boot: str
    nonce: str
    certificate: str = ""
    seal_key: str = ""
    capabilities: tuple[str, ...] = ()
    capture: CaptureState = CaptureState()
    clock: Clock = Clock()
    since: int | None = None
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Ask a device for a session."""

    nonce: str
    sdp: str = field(repr=False)
    want: Want = Want()
    replaces: str = ""
    grant: str = field(default="", repr=False)
    n: int = 0
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Accept the offer whose body hashes to ``re``."""

    re: str
    sdp: str = field(repr=False)
    ice_servers: tuple[IceServer, ...] = ()
    clock: MediaClock | None = None
    n: int = 0
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Carry ICE candidates of one gathering; ``end`` says that no more will come."""

    n: int
    ufrag: str
    candidates: tuple[str, ...] = field(default=(), repr=False)
    end: bool = False
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """End a session on purpose."""

    n: int
    reason: str
    text: str = ""
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Refuse or end a session because of trouble.

    ``nonce`` comes with stale-nonce; ``speaks`` and ``received`` with unsupported-version.
    """

    n: int
    code: str
    text: str = ""
    re: str = ""
    nonce: str = ""
    speaks: int | None = None
    received: int | None = None
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Ask a device to let this viewer in; ``mac`` proves that the one-time secret is known."""

    mac: str = field(repr=False)
    n: int = 0
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Let the viewer in who sent the pair body that hashes to ``re``."""

    re: str
    mac: str = field(repr=False)
    rights: tuple[str, ...] = ()
    n: int = 0
    v: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Say, by the broker's hand and unsigned, that the connection of a sender is lost."""

    v: int = VERSION


Message: TypeAlias = Status | Offer | Answer | Candidates | Bye | Error | Pair | Paired | Gone
