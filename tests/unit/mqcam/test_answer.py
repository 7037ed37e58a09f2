from __future__ import annotations

import contextlib

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st
from mqcam.answer import read_offer
from mqcam.errors import OfferRefused
from mqcam.sdp import (
    ABS_SEND_TIME_URI,
    MID_URI,
    ORIENTATION_URI,
    PLAYOUT_DELAY_URI,
    SIZE_LIMIT_CHARACTERS,
    TRANSPORT_WIDE_CC_URI,
)
from support.connections import lines_of, without_lines
from support.descriptions import answered, damaged, our_offer, recorded_offer

OFFER = our_offer()
CHROMIUM = recorded_offer("chromium")
FIREFOX = recorded_offer("firefox")


URIS = (
    MID_URI,
    ABS_SEND_TIME_URI,
    TRANSPORT_WIDE_CC_URI,
    PLAYOUT_DELAY_URI,
    ORIENTATION_URI,
)


def numbers(*numbers: int) -> dict[str, int]:
    """Return the extensions that the camera uses, by what each offer calls them."""
    return dict(zip(URIS, numbers, strict=False))


@pytest.mark.parametrize(
    ("offer", "payload_types", "extensions", "bundle"),
    [
        (OFFER, (96, 97), numbers(1, 2, 3, 4, 5), "0 1"),
        (CHROMIUM, (109, 114), numbers(4, 2, 3, 5, 13), "1 2"),
        (FIREFOX, (126, 127), numbers(3, 4, 7, 6), "0 1"),
    ],
    ids=["ours", "chromium", "firefox"],
)
def test_the_answer_takes_baseline_mode_1_with_the_offers_numbers(
    offer: str, payload_types: tuple[int, int], extensions: dict[str, int], bundle: str
) -> None:
    terms, video, answer = answered(offer)
    assert (video.payload_type, video.rtx_payload_type) == payload_types
    assert video.extensions == extensions
    assert lines_of(answer, "a=group:BUNDLE") == [f"a=group:BUNDLE {bundle}"]
    assert lines_of(answer, "a=fmtp:")[0].endswith("packetization-mode=1;profile-level-id=42e01f")
    assert lines_of(answer, "a=ssrc-group:") == ["a=ssrc-group:FID 1001 1002"]
    assert terms.data is not None


@pytest.mark.parametrize("offer", [OFFER, CHROMIUM, FIREFOX], ids=["ours", "chromium", "firefox"])
def test_the_answer_has_the_offers_sections_in_their_order(offer: str) -> None:
    _, _, answer = answered(offer)
    offered = SessionDescription.parse(without_lines(offer, "a=candidate:"))
    given_back = SessionDescription.parse(answer)
    assert [(each.kind, each.rtp.muxId) for each in given_back.media] == [
        (each.kind, each.rtp.muxId) for each in offered.media
    ]
    for section in given_back.media:
        assert section.dtls is not None
        assert section.dtls.role == "client"
        assert section.port == (0 if section.kind == "audio" else 9)


@pytest.mark.parametrize("offer", [OFFER, CHROMIUM, FIREFOX], ids=["ours", "chromium", "firefox"])
def test_the_answer_promises_what_the_camera_does(offer: str) -> None:
    _, video, answer = answered(offer)
    assert {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"} <= set(video.feedback)
    assert "a=sendonly" in answer.splitlines()
    assert "a=end-of-candidates" not in answer


def test_candidates_come_from_whatever_section_lists_them() -> None:
    candidates = read_offer(CHROMIUM).transport.candidates
    assert [candidate.split()[4].partition(".")[0] for candidate in candidates] == [
        "3f2c9a1e-5b7d-4c11-9f60-2a7d1e8c4b55",
        "192",
    ]


@pytest.mark.parametrize("half", ["a=rtcp-fb:96 transport-cc", "a=extmap:3 "])
def test_one_half_of_transport_cc_is_not_taken(half: str) -> None:
    """Numbers that nobody reports on are nothing but 4 bytes a packet."""
    video = read_offer(without_lines(OFFER, half)).video
    assert "transport-cc" not in video.feedback
    assert TRANSPORT_WIDE_CC_URI not in video.extensions


def test_rrtr_is_answered_where_it_is_offered() -> None:
    assert "rrtr" in read_offer(OFFER).video.feedback
    assert "rrtr" not in read_offer(CHROMIUM).video.feedback


def test_constrained_baseline_is_preferred_to_the_first_h264() -> None:
    without_42e0 = CHROMIUM.replace("profile-level-id=42e01f", "profile-level-id=640c1f")
    video = read_offer(without_42e0).video
    assert (video.payload_type, video.profile_level_id) == (103, "42001f")


def test_a_single_section_needs_no_bundle() -> None:
    offer = without_lines(OFFER[: OFFER.index("m=application")], "a=group:")
    terms, _, answer = answered(offer)
    assert terms.data is None
    assert lines_of(answer, "a=group:") == []


def test_a_bundle_only_section_is_taken_for_what_it_is() -> None:
    offer = OFFER.replace("m=application 9", "m=application 0").replace(
        "a=mid:1", "a=mid:1\r\na=bundle-only"
    )
    assert answered(offer)[0].data is not None


def test_a_data_channel_of_an_old_kind_is_answered_as_switched_off() -> None:
    offer = OFFER.replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000")
    terms, _, answer = answered(offer)
    assert terms.data is None
    assert "m=application 0 DTLS/SCTP 5000" in answer.splitlines()
    assert "a=group:BUNDLE 0" in answer.splitlines()


def test_end_of_candidates_changes_nothing() -> None:
    offer = OFFER.replace("a=mid:0", "a=end-of-candidates\r\na=mid:0")
    assert answered(offer)[2] == answered(OFFER)[2]


SECOND_VIDEO = OFFER + OFFER[OFFER.index("m=video") : OFFER.index("m=application")].replace(
    "a=mid:0", "a=mid:2"
)


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        ("", "malformed-sdp"),
        ("hello", "malformed-sdp"),
        (OFFER.replace("m=video 9", "m=video 99999"), "malformed-sdp"),
        (OFFER + "m=\r\n", "malformed-sdp"),
        (OFFER + "m= \r\n", "malformed-sdp"),
        (OFFER.replace("a=mid:1", "a=mid:0"), "malformed-sdp"),
        (OFFER.replace("a=mid:0", "a=mid:0 0"), "malformed-sdp"),
        (OFFER + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 20, "malformed-sdp"),
        (OFFER + "a=x\r\n" * SIZE_LIMIT_CHARACTERS, "sdp-too-large"),
        (OFFER[: OFFER.index("m=video")], "no-video"),
        (OFFER.replace("m=video 9", "m=video 0"), "no-video"),
        (SECOND_VIDEO, "many-videos"),
        (OFFER.replace("SAVPF", "AVPF"), "no-encryption"),
        (OFFER.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "no-encryption"),
        (OFFER.replace("a=recvonly", "a=sendonly"), "video-direction"),
        (OFFER.replace("a=recvonly", "a=inactive"), "video-direction"),
        (without_lines(OFFER, "a=rtcp-mux"), "no-rtcp-mux"),
        (OFFER.replace("H264/90000", "VP8/90000"), "no-h264"),
        (OFFER.replace("packetization-mode=1", "packetization-mode=0"), "packetization-mode"),
        (OFFER.replace("packetization-mode=1;", ""), "packetization-mode"),
        (OFFER.replace("42e01f", "640c1f"), "h264-profile"),
        (OFFER.replace("42e01f", "42e0\t1"), "h264-profile"),
        (without_lines(OFFER, "a=group:"), "not-bundled"),
        (OFFER.replace("BUNDLE 0 1", "BUNDLE 1"), "not-bundled"),
        (without_lines(OFFER, "a=fingerprint:"), "no-fingerprint"),
        (without_lines(OFFER, "a=ice-ufrag:"), "no-ice"),
        (without_lines(OFFER, "a=ice-pwd:"), "no-ice"),
        (OFFER.replace("a=ice-ufrag:view", "a=ice-ufrag:a b c"), "no-ice"),
        (OFFER.replace("a=setup:actpass", "a=setup:active"), "dtls-role"),
        (OFFER.replace("s=-", "s=-\r\na=ice-lite"), "ice-lite"),
    ],
)
def test_an_offer_that_cannot_be_answered_is_refused_with_a_sentence(offer: str, code: str) -> None:
    with pytest.raises(OfferRefused) as caught:
        read_offer(offer)
    assert caught.value.code == code
    assert len(caught.value.text.split()) > 4


def test_no_line_of_the_offer_can_slip_into_the_answer() -> None:
    """Characters that end lines elsewhere are only white space here."""
    offer = CHROMIUM.replace("m=audio 9 UDP", "m=audio\x0ba=evil 9 UDP\u2028a=evil")
    offer = offer.replace("opus/48000/2", "opus\u2028a=evil\x85a=evil")
    try:
        _, _, answer = answered(offer)
    except OfferRefused:
        return
    assert not [line for line in answer.splitlines() if line.startswith("a=evil")]


def test_half_a_character_does_not_reach_the_answer() -> None:
    """JSON can spell a lone surrogate, and no answer that holds one could be sent."""
    offer = CHROMIUM.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 UDP\ud800")
    assert answered(offer)[2].isascii()


@given(st.sampled_from([OFFER, CHROMIUM, FIREFOX]).flatmap(damaged))
def test_a_damaged_offer_is_answered_or_refused_and_nothing_else(offer: str) -> None:
    with contextlib.suppress(OfferRefused):
        assert answered(offer)[2].startswith("v=0\r\n")


@given(st.text(max_size=300))
def test_any_text_is_refused(text: str) -> None:
    for offer in (text, "v=0\r\n" + text, OFFER[:200] + text):
        with pytest.raises(OfferRefused):
            read_offer(offer)
