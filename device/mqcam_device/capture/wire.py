"""The messages between the agent and its capture child: framing, encoding, decoding.

It must not know sockets, processes or sources. The form is explained in
docs/decisions/capture-wire.md.

A frame is a length (4 bytes, big-endian, of what follows), a kind (1 byte) and a body. Units have
a binary body; everything else is JSON. The first frame of each side is a `Hello`.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from mqcam.errors import LocalProtocolError

from mqcam_device.media import (
    MAIN,
    AccessUnit,
    LayerInfo,
    SourceSettings,
    SourceState,
    StreamInfo,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 3
"""Grows with every change of this file that an older build would misread."""

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""No unit at any sane bit rate is larger; a longer length means that the framing is lost."""

PING = "ping"
"""Asks for a sign of life: ``busy_s``, for how long the camera has been in its present call."""

SNAPSHOT = "snapshot"
"""Asks for the present picture: ``jpeg``, in base64."""

CONTROLS = "controls"
"""Asks what can be changed while the camera runs: ``controls``, each as a `ControlInfo`."""

SET_CONTROLS = "set_controls"
"""Changes the controls in ``values``, by name, all or none; answered with nothing."""

_LENGTH = struct.Struct("!I")
_UNIT = struct.Struct("!BQQB")  # flags, seq, captured_ns, length of the layer's name
_UNIT_KIND = 1
_KEYFRAME = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who speaks: both sides must be of one build."""

    version: int
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Agent to child: the source to open."""

    settings: SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """Agent to child: encode a layer, or rest it."""

    active: bool
    layer: str = MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe:
    """Agent to child: the next picture of a layer is to be a keyframe."""

    layer: str = MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitrate:
    """Agent to child: aim for a bit rate."""

    bitrate_bps: int
    layer: str = MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Framerate:
    """Agent to child: cap the frame rate of the source."""

    fps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """Agent to child: end the source, which has fallen silent, and make it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Agent to child: a question that a `Reply` of the same number answers, ``within_s``."""

    number: int
    verb: str
    args: dict[str, Any]
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Child to agent: what was asked for, or in ``error`` why there is nothing."""

    number: int
    result: dict[str, Any]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Agent to child: end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Child to agent: where the source stands, with a sentence when something is wrong."""

    state: SourceState
    info: StreamInfo | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Child to agent: units left out since the last report, because the agent did not read."""

    units: int
    layer: str = MAIN


Message = (
    Hello
    | Start
    | Activate
    | Keyframe
    | Bitrate
    | Framerate
    | Reopen
    | Ask
    | Reply
    | Stop
    | State
    | Dropped
    | AccessUnit
)

_KINDS: dict[int, type[Any]] = {
    _UNIT_KIND: AccessUnit,
    2: Hello,
    3: Start,
    4: Activate,
    5: Keyframe,
    6: Bitrate,
    7: Framerate,
    8: Stop,
    9: State,
    10: Dropped,
    11: Reopen,
    12: Ask,
    13: Reply,
}
_NUMBERS = {type_: number for number, type_ in _KINDS.items()}


def encode(message: Message) -> bytes:
    """Return a message as one frame; raises LocalProtocolError when it is too large."""
    if isinstance(message, AccessUnit):
        kind, body = _UNIT_KIND, _encode_unit(message)
    else:
        kind = _NUMBERS[type(message)]
        body = json.dumps(asdict(message), default=_encode_state).encode()
    if len(body) >= MAX_FRAME_BYTES:
        raise LocalProtocolError(f"a capture message of {len(body)} bytes is too large")
    return b"".join((_LENGTH.pack(len(body) + 1), bytes((kind,)), body))


class Decoder:
    """Cut a byte stream into messages; keeps at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete; raises LocalProtocolError when one is damaged."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer)
            if not 0 < length <= MAX_FRAME_BYTES:
                raise LocalProtocolError(f"a capture message claims {length} bytes")
            end = _LENGTH.size + length
            if len(buffer) < end:
                return
            kind, body = buffer[_LENGTH.size], bytes(buffer[_LENGTH.size + 1 : end])
            del buffer[:end]
            yield _decode(kind, body)


def check_hello(message: Message, build: str) -> None:
    """Raise LocalProtocolError unless the message is a hello of our own build."""
    if not isinstance(message, Hello):
        raise LocalProtocolError("the capture child and the agent do not speak the same language")
    if (message.version, message.build) != (VERSION, build):
        raise LocalProtocolError(
            f"the other side is mqcam {message.build} (capture wire {message.version}), this is "
            f"{build} (capture wire {VERSION}): restart mqcam-device, it was updated while running"
        )


def _encode_unit(unit: AccessUnit) -> bytes:
    layer = unit.layer.encode()
    head = _UNIT.pack(_KEYFRAME if unit.keyframe else 0, unit.seq, unit.captured_ns, len(layer))
    return b"".join((head, layer, unit.data))


def _encode_state(value: object) -> str:
    if isinstance(value, SourceState):
        return value.value
    raise TypeError(type(value).__name__)


def _decode(kind: int, body: bytes) -> Message:
    try:
        if kind == _UNIT_KIND:
            return _decode_unit(body)
        return _decode_record(_KINDS[kind], json.loads(body))
    except (KeyError, ValueError, TypeError, struct.error, RecursionError) as error:
        reason = f"a capture message of kind {kind} cannot be read ({type(error).__name__})"
        raise LocalProtocolError(reason) from error


def _decode_unit(body: bytes) -> AccessUnit:
    flags, seq, captured_ns, layer_length = _UNIT.unpack_from(body)
    begin = _UNIT.size + layer_length
    if begin > len(body):
        raise ValueError("layer")
    layer = body[_UNIT.size : begin].decode()
    return AccessUnit(body[begin:], captured_ns, bool(flags & _KEYFRAME), seq, layer)


def _decode_record(type_: type[Any], record: Any) -> Message:
    """Build a message; nested values by hand, because there are but few."""
    if not isinstance(record, dict) or set(record) != {field.name for field in fields(type_)}:
        raise ValueError(type_.__name__)
    if type_ is Start:
        return Start(settings=_source_settings(record["settings"]))
    if type_ is State:
        info = record["info"]
        if info is not None:
            smaller = tuple(LayerInfo(**_with_range(layer)) for layer in info["smaller"])
            info = StreamInfo(**{**_with_range(info), "smaller": smaller})
        return State(state=SourceState(record["state"]), info=info, text=str(record["text"]))
    message: Message = type_(**record)
    return message


def _source_settings(record: dict[str, Any]) -> SourceSettings:
    """Build the settings; JSON made lists of the pairs, and of the areas among the values."""
    pairs = (
        (str(name), tuple(value) if isinstance(value, list) else value)
        for name, value in record["controls"]
    )
    return SourceSettings(**{**record, "controls": tuple(pairs)})


def _with_range(record: dict[str, Any]) -> dict[str, Any]:
    """Make a pair of what JSON made a list."""
    bounds = record["bitrate_range_bps"]
    return {**record, "bitrate_range_bps": bounds and (bounds[0], bounds[1])}
