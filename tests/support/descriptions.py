"""Offers and answers as text, for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st
from mqcam.answer import OfferTerms, read_offer, write_answer
from mqcam.offer import offered_video, write_offer
from mqcam.sdp import TransportTerms, VideoParameters

VECTORS = Path(__file__).parents[1] / "vectors" / "sdp"
FINGERPRINT = ":".join(["AB"] * 32)

VIEWER = TransportTerms(
    ufrag="view",
    password="viewerviewerviewer1234",
    fingerprints=(("sha-256", FINGERPRINT),),
    candidates=("candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host",),
)
CAMERA = TransportTerms(
    ufrag="came",
    password="cameracameracamera1234",
    fingerprints=(("sha-256", FINGERPRINT),),
    candidates=("candidate:1 1 udp 2130706431 192.0.2.2 6000 typ host",),
)
OFFERED = offered_video(cname="viewer", rtcp_ssrc=17)


# With lone surrogates, which JSON can spell.
ANY_TEXT = st.text(st.characters())


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """Damage a few lines of a description: other text, cut short, another value, another line."""
    lines = text.split("\r\n")
    for _ in range(draw(st.integers(1, 6))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        name = line[: line.find(":") + 1]
        kept = draw(st.sampled_from([line[: draw(st.integers(0, len(line)))], name, ""]))
        lines[index] = draw(st.one_of(st.sampled_from(lines), st.just(kept + draw(ANY_TEXT))))
    return "\r\n".join(lines)


def our_offer() -> str:
    """Write the offer of our viewer."""
    return write_offer(OFFERED, VIEWER, session_id=1)


def recorded_offer(browser: str) -> str:
    """Read the offer of a browser."""
    text = (VECTORS / f"offer_{browser}.sdp").read_text(encoding="utf-8")
    return text.replace("\n", "\r\n")


def answered(offer: str) -> tuple[OfferTerms, VideoParameters, str]:
    """Answer an offer as a camera with fixed SSRCs."""
    terms = read_offer(offer)
    video = replace(
        terms.video,
        cname="camera",
        local_ssrc=1001,
        local_rtx_ssrc=None if terms.video.rtx_payload_type is None else 1002,
    )
    return terms, video, write_answer(terms, video, CAMERA, session_id=2)
