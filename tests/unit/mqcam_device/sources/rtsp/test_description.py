"""Of a session description the H.264 track is taken, or the reader is told what to change."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam_device.sources.intake import Unfit
from mqcam_device.sources.rtsp.description import Track, read_description
from support.rtp import PPS, SPS

URL = "rtsp://192.0.2.7:554/live?channel=1"
SETS = ",".join(base64.b64encode(each).decode() for each in (SPS, PPS))
VIDEO = f"""v=0
a=control:*
m=audio 0 RTP/AVP 0
a=control:audio
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; profile-level-id=42E01F; sprop-parameter-sets={SETS}
a=framerate:25.0
a=control:{{}}
"""


def track_of(text: str, url: str = URL) -> Track:
    return read_description(text, url, name="camera")[0]


def test_track_has_all_that_the_camera_says() -> None:
    assert track_of(VIDEO.format("track2"), "rtsp://c/live/") == Track(
        url="rtsp://c/live/track2",
        payload_type=96,
        parameter_sets=b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS,
        fps=25.0,
    )


@pytest.mark.parametrize(
    ("control", "url"),
    [
        ("trackID=1", "rtsp://192.0.2.7:554/live?channel=1/trackID=1"),
        ("/other/1", "rtsp://192.0.2.7:554/other/1"),
        ("rtsp://192.0.2.7:554/live/1", "rtsp://192.0.2.7:554/live/1"),
        ("rtsp://evil.example/live/1", "rtsp://192.0.2.7:554/live/1"),
        ("rtsp://[evil/1", URL),
        ("//[evil/1", URL),
        ("*", URL),
        ("", URL),
    ],
)
def test_track_is_asked_for_at_this_camera_only(control: str, url: str) -> None:
    assert track_of(VIDEO.format(control)).url == url


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("H264", "H265", "it sends H.265: set this stream to H.264 in the camera"),
        ("H264", "JPEG", "it sends motion JPEG"),
        ("H264", "AV9", "it sends another codec"),
        ("m=video", "m=application", "there is no video under this address"),
    ],
)
def test_other_codecs_are_refused_with_what_to_do(old: str, new: str, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        track_of(VIDEO.replace(old, new))


def test_damaged_parameter_sets_are_left_out() -> None:
    track = track_of(VIDEO.replace(SETS, f"%%%,{SETS.split(',')[1]}"))

    assert track.parameter_sets == b"\0\0\0\1" + PPS


@given(st.text(max_size=200) | st.lists(st.sampled_from(VIDEO.splitlines())).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        track_of(text)
    except Unfit:
        return
