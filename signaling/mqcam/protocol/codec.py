"""The one encoding of the messages: JSON bodies, written and read strictly.

It must not know who sends them when, nor how a body travels.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING

from mqcam.errors import LocalProtocolError, MalformedMessage, UnsupportedVersion
from mqcam.protocol.fields import INTEGER_MAX, SECOND_MAX, Fields, read_object
from mqcam.protocol.messages import (
    BODY_MAX_BYTES,
    CANDIDATE_MAX_CHARS,
    CANDIDATES_MAX,
    CAPABILITIES_MAX,
    CODE_MAX_CHARS,
    GONE_MAX_BYTES,
    ICE_SERVERS_MAX,
    ICE_URLS_MAX,
    RIGHTS_MAX,
    ROTATIONS,
    TEXT_MAX_CHARS,
    UFRAG_MAX_CHARS,
    VERSION,
    Answer,
    Bye,
    Candidates,
    CaptureState,
    Clock,
    Error,
    Gone,
    IceServer,
    MediaClock,
    Message,
    Offer,
    Pair,
    Paired,
    Status,
    Want,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_SECRET_MAX_CHARS = 1024
_KEY_MAX_CHARS = 512
_GRANT_MAX_CHARS = 4096
_CODE = re.compile(r"[a-z0-9-]{1,64}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{0,64}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{0,64}")
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
_HASH_OR_NONE = re.compile(r"([A-Za-z0-9_-]{43})?")
_SIDE_MAX_PX = 16_384
_FPS_MAX = 1_000.0
_BITRATE_MAX_BPS = 1_000_000_000
_RTP_TIMESTAMP_MAX = 2**32 - 1


def encode(message: Message) -> bytes:
    """Return the body of ``message``; raise LocalProtocolError above BODY_MAX_BYTES."""
    kind, write = _WRITERS[type(message)]
    values = {"v": message.v, "t": kind, **write(message)}
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    if len(body) > BODY_MAX_BYTES:
        raise LocalProtocolError(
            f"a body of {len(body)} bytes is too large to send, the limit is {BODY_MAX_BYTES}"
        )
    return body


def decode(body: bytes) -> Message:
    """Return the message in ``body``; raise MalformedMessage or UnsupportedVersion."""
    if len(body) > BODY_MAX_BYTES:
        raise MalformedMessage(f"a body of {len(body)} bytes is above {BODY_MAX_BYTES}")
    fields = read_object(body)
    version = fields.integer("v", low=1, high=INTEGER_MAX)
    if version > VERSION:
        raise UnsupportedVersion(version, VERSION)
    kind = fields.text("t", limit=CODE_MAX_CHARS)
    read = _READERS.get(kind)
    if read is None:
        raise MalformedMessage(f"no message is called {kind[:16]!a}")
    return read(fields)


def is_gone(payload: bytes) -> bool:
    """Tell whether ``payload`` is the one message that nobody signs."""
    if len(payload) > GONE_MAX_BYTES:
        return False
    try:
        return isinstance(decode(payload), Gone)
    except (MalformedMessage, UnsupportedVersion):
        return False


def body_hash(body: bytes) -> str:
    """Return the base64url SHA-256 of ``body`` without padding, 43 characters."""
    digest = hashlib.sha256(body).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def clean_text(text: str) -> str:
    """Return ``text`` fit for one line of a log or a window: printable and short."""
    short = text[:TEXT_MAX_CHARS]
    return "".join(character if character.isprintable() else " " for character in short)


def _present(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _write_status(message: Status) -> dict[str, object]:
    capture = message.capture
    return {
        "n": message.n,
        "state": message.state,
        "boot": message.boot,
        "nonce": message.nonce,
        "certificate": message.certificate,
        "seal_key": message.seal_key,
        "capabilities": list(message.capabilities),
        "capture": _present(
            state=capture.state,
            width=capture.width,
            height=capture.height,
            fps_min=capture.fps_min,
            fps_max=capture.fps_max,
            rotation=capture.rotation or None,
            text=clean_text(capture.text) or None,
        ),
        "clock": {"synchronised": message.clock.synchronised},
        **_present(since=message.since),
    }


def _read_status(fields: Fields) -> Status:
    capture = fields.nested("capture")
    clock = fields.nested("clock")
    return Status(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        state=fields.text("state", limit=CODE_MAX_CHARS, pattern=_CODE),
        boot=fields.text("boot", limit=CODE_MAX_CHARS),
        nonce=fields.text("nonce", limit=CODE_MAX_CHARS, pattern=_NONCE),
        certificate=fields.text("certificate", limit=_GRANT_MAX_CHARS, default=""),
        seal_key=fields.text("seal_key", limit=_KEY_MAX_CHARS, default=""),
        capabilities=fields.texts("capabilities", count=CAPABILITIES_MAX, limit=CODE_MAX_CHARS),
        capture=CaptureState() if capture is None else _read_capture(capture),
        clock=Clock() if clock is None else Clock(synchronised=_synchronised(clock)),
        since=fields.optional_integer("since", low=0, high=SECOND_MAX),
    )


def _read_capture(fields: Fields) -> CaptureState:
    return CaptureState(
        state=fields.text("state", limit=CODE_MAX_CHARS, pattern=_CODE),
        width=fields.optional_integer("width", low=1, high=_SIDE_MAX_PX),
        height=fields.optional_integer("height", low=1, high=_SIDE_MAX_PX),
        fps_min=fields.optional_number("fps_min", low=0.0, high=_FPS_MAX),
        fps_max=fields.optional_number("fps_max", low=0.0, high=_FPS_MAX),
        rotation=fields.one_of("rotation", ROTATIONS, default=0),
        text=clean_text(fields.text("text", limit=TEXT_MAX_CHARS, default="")),
    )


def _synchronised(fields: Fields) -> bool:
    return fields.boolean("synchronised", default=False)


def _write_offer(message: Offer) -> dict[str, object]:
    want = message.want
    return {
        "n": message.n,
        "nonce": message.nonce,
        "grant": message.grant,
        "want": _present(
            width=want.width,
            height=want.height,
            fps=want.fps,
            bitrate_bps=want.bitrate_bps,
            layer=want.layer or None,
        ),
        "replaces": message.replaces,
        "sdp": message.sdp,
    }


def _read_offer(fields: Fields) -> Offer:
    want = fields.nested("want")
    return Offer(
        n=fields.integer("n", low=0, high=0),
        nonce=fields.text("nonce", limit=CODE_MAX_CHARS, pattern=_NONCE, default=""),
        grant=fields.text("grant", limit=_GRANT_MAX_CHARS, default=""),
        want=Want() if want is None else _read_want(want),
        replaces=fields.text("replaces", limit=CODE_MAX_CHARS, pattern=_SESSION, default=""),
        sdp=fields.text("sdp", limit=BODY_MAX_BYTES),
    )


def _read_want(fields: Fields) -> Want:
    return Want(
        width=fields.optional_integer("width", low=1, high=_SIDE_MAX_PX),
        height=fields.optional_integer("height", low=1, high=_SIDE_MAX_PX),
        fps=fields.optional_number("fps", low=0.0, high=_FPS_MAX),
        bitrate_bps=fields.optional_integer("bitrate_bps", low=1, high=_BITRATE_MAX_BPS),
        layer=fields.text("layer", limit=CODE_MAX_CHARS, default=""),
    )


def _write_answer(message: Answer) -> dict[str, object]:
    values: dict[str, object] = {
        "n": message.n,
        "re": message.re,
        "ice_servers": [
            {"urls": list(one.urls), "username": one.username, "credential": one.credential}
            for one in message.ice_servers
        ],
    }
    if message.clock is not None:
        values["clock"] = {
            "rtp_timestamp": message.clock.rtp_timestamp,
            "captured_us": message.clock.captured_us,
        }
    values["sdp"] = message.sdp
    return values


def _read_answer(fields: Fields) -> Answer:
    clock = fields.nested("clock")
    return Answer(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        re=fields.text("re", limit=CODE_MAX_CHARS, pattern=_HASH),
        sdp=fields.text("sdp", limit=BODY_MAX_BYTES),
        ice_servers=tuple(
            IceServer(
                urls=one.texts("urls", count=ICE_URLS_MAX, limit=_KEY_MAX_CHARS),
                username=one.text("username", limit=_KEY_MAX_CHARS, default=""),
                credential=one.text("credential", limit=_SECRET_MAX_CHARS, default=""),
            )
            for one in fields.nested_list("ice_servers", count=ICE_SERVERS_MAX)
        ),
        clock=None
        if clock is None
        else MediaClock(
            rtp_timestamp=clock.integer("rtp_timestamp", low=0, high=_RTP_TIMESTAMP_MAX),
            captured_us=clock.integer("captured_us", low=0, high=INTEGER_MAX),
        ),
    )


def _write_candidates(message: Candidates) -> dict[str, object]:
    return {
        "n": message.n,
        "ufrag": message.ufrag,
        "candidates": list(message.candidates),
        "end": message.end,
    }


def _read_candidates(fields: Fields) -> Candidates:
    return Candidates(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        ufrag=fields.text("ufrag", limit=UFRAG_MAX_CHARS, default=""),
        candidates=fields.texts("candidates", count=CANDIDATES_MAX, limit=CANDIDATE_MAX_CHARS),
        end=fields.boolean("end", default=False),
    )


def _write_bye(message: Bye) -> dict[str, object]:
    return {"n": message.n, "reason": message.reason, "text": clean_text(message.text)}


def _read_bye(fields: Fields) -> Bye:
    return Bye(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        reason=fields.text("reason", limit=CODE_MAX_CHARS, pattern=_CODE),
        text=clean_text(fields.text("text", limit=TEXT_MAX_CHARS, default="")),
    )


def _write_error(message: Error) -> dict[str, object]:
    return _present(
        n=message.n,
        code=message.code,
        text=clean_text(message.text),
        re=message.re or None,
        nonce=message.nonce or None,
        speaks=message.speaks,
        received=message.received,
    )


def _read_error(fields: Fields) -> Error:
    return Error(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        code=fields.text("code", limit=CODE_MAX_CHARS, pattern=_CODE),
        text=clean_text(fields.text("text", limit=TEXT_MAX_CHARS, default="")),
        re=fields.text("re", limit=CODE_MAX_CHARS, pattern=_HASH_OR_NONE, default=""),
        nonce=fields.text("nonce", limit=CODE_MAX_CHARS, pattern=_NONCE, default=""),
        speaks=fields.optional_integer("speaks", low=1, high=INTEGER_MAX),
        received=fields.optional_integer("received", low=1, high=INTEGER_MAX),
    )


def _write_pair(message: Pair) -> dict[str, object]:
    return {"n": message.n, "mac": message.mac}


def _read_pair(fields: Fields) -> Pair:
    return Pair(
        n=fields.integer("n", low=0, high=0),
        mac=fields.text("mac", limit=CODE_MAX_CHARS, pattern=_HASH),
    )


def _write_paired(message: Paired) -> dict[str, object]:
    return {
        "n": message.n,
        "re": message.re,
        "mac": message.mac,
        "rights": list(message.rights),
    }


def _read_paired(fields: Fields) -> Paired:
    return Paired(
        n=fields.integer("n", low=0, high=INTEGER_MAX),
        re=fields.text("re", limit=CODE_MAX_CHARS, pattern=_HASH),
        mac=fields.text("mac", limit=CODE_MAX_CHARS, pattern=_HASH),
        rights=fields.texts("rights", count=RIGHTS_MAX, limit=CODE_MAX_CHARS),
    )


def _write_gone(message: Gone) -> dict[str, object]:  # noqa: ARG001  # it carries nothing
    return {}


def _read_gone(fields: Fields) -> Gone:  # noqa: ARG001  # unknown fields are ignored
    return Gone()


_WRITERS: dict[type, tuple[str, Callable[..., dict[str, object]]]] = {
    Status: ("status", _write_status),
    Offer: ("offer", _write_offer),
    Answer: ("answer", _write_answer),
    Candidates: ("cand", _write_candidates),
    Bye: ("bye", _write_bye),
    Error: ("error", _write_error),
    Pair: ("pair", _write_pair),
    Paired: ("paired", _write_paired),
    Gone: ("gone", _write_gone),
}
_READERS: dict[str, Callable[[Fields], Message]] = {
    "status": _read_status,
    "offer": _read_offer,
    "answer": _read_answer,
    "cand": _read_candidates,
    "bye": _read_bye,
    "error": _read_error,
    "pair": _read_pair,
    "paired": _read_paired,
    "gone": _read_gone,
}
