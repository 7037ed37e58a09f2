from __future__ import annotations

import contextlib

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from mqcam.errors import AnswerRefused
from mqcam.offer import read_answer
from mqcam.sdp import ABS_SEND_TIME_URI
from support.connections import without_lines
from support.descriptions import CAMERA, OFFERED, VECTORS, answered, damaged, our_offer

ANSWER = answered(our_offer())[2]


def test_the_shape_of_the_offer_never_changes() -> None:
    """Old cameras were made for this text: a new feature must fit it."""
    fixed = (VECTORS / "offer_viewer.sdp").read_text(encoding="utf-8")
    assert our_offer() == fixed.replace("\n", "\r\n")


def test_the_offer_is_read_by_a_stock_parser() -> None:
    description = SessionDescription.parse(our_offer())
    video, data = description.media
    assert video.direction == "recvonly"
    assert video.rtcp_mux
    assert [codec.mimeType for codec in video.rtp.codecs] == ["video/H264", "video/rtx"]
    assert video.ice_candidates[0].ip == "192.0.2.1"
    assert not video.ice_candidates_complete
    assert data.sctp_port == 5000


def test_a_cameras_answer_settles_what_both_do() -> None:
    terms = read_answer(ANSWER, OFFERED)
    assert terms.video.remote_ssrc == 1001
    assert terms.video.remote_rtx_ssrc == 1002
    assert terms.video.rtx_payload_type == 97
    assert terms.video.extensions == OFFERED.extensions
    assert "transport-cc" in terms.video.feedback
    assert "rrtr" in terms.video.feedback
    assert terms.transport == CAMERA
    assert terms.data is not None


def test_an_answer_without_retransmissions_and_data_is_good() -> None:
    text = ANSWER.replace(" 96 97\r\n", " 96\r\n").replace("m=application 9", "m=application 0")
    terms = read_answer(without_lines(text, "a=ssrc-group"), OFFERED)
    assert terms.video.rtx_payload_type is None
    assert terms.video.remote_rtx_ssrc is None
    assert terms.data is None


def test_an_extension_under_another_id_is_not_used() -> None:
    text = ANSWER.replace(f"a=extmap:2 {ABS_SEND_TIME_URI}", f"a=extmap:9 {ABS_SEND_TIME_URI}")
    assert set(read_answer(text, OFFERED).video.extensions) == set(OFFERED.extensions) - {
        ABS_SEND_TIME_URI
    }


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("v=0", "v=1", "malformed-sdp"),
        ("m=video 9", "m=video", "malformed-sdp"),
        ("m=video 9", "m=video 0", "no-video"),
        ("m=video", "m=audio", "no-video"),
        ("a=mid:0", "a=mid:7", "no-video"),
        ("a=sendonly", "a=inactive", "video-direction"),
        ("a=rtcp-mux", "a=x", "no-rtcp-mux"),
        ("H264/90000", "VP8/90000", "no-h264"),
        ("packetization-mode=1", "packetization-mode=0", "no-h264"),
        ("a=rtpmap:96", "a=rtpmap:98", "no-h264"),
        ("a=setup:active", "a=setup:passive", "dtls-role"),
        ("a=setup:active", "a=setup:actpass", "dtls-role"),
        ("a=fingerprint:sha-256", "a=fingerprint:md5", "no-fingerprint"),
        ("a=fingerprint:sha-256 AB", "a=fingerprint:sha-256 XY", "no-fingerprint"),
        ("a=ice-ufrag:came", "a=x", "no-ice"),
        ("a=ice-pwd:camera", "a=ice-pwd:-", "no-ice"),
    ],
)
def test_an_answer_that_we_cannot_use_is_refused(old: str, new: str, code: str) -> None:
    assert old in ANSWER
    with pytest.raises(AnswerRefused) as caught:
        read_answer(ANSWER.replace(old, new), OFFERED)
    assert caught.value.code == code


@given(damaged(ANSWER))
def test_a_damaged_answer_raises_nothing_but_a_refusal(answer: str) -> None:
    with contextlib.suppress(AnswerRefused):
        assert read_answer(answer, OFFERED).transport.ufrag
