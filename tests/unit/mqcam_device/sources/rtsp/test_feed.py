"""What a camera sends while it is asked is kept within bounds, and its odd words are survived."""

from __future__ import annotations

import pytest
from mqcam_device.sources.rtsp.feed import EARLY_BYTES, RtspFeed, _channel
from mqcam_device.sources.rtsp.wire import Answer, Interleaved

URL = "rtsp://192.0.2.7/live"


@pytest.fixture
def feed() -> RtspFeed:
    return RtspFeed(URL, username="", password="")


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    return Answer(status=200, headers=named)


def test_camera_that_floods_before_its_answer_fills_no_memory(feed: RtspFeed) -> None:
    for _ in range(200):
        feed._keep_early(Interleaved(0, bytes(65_535)))

    assert 0 < sum(len(each.data) for each in feed._early) <= EARLY_BYTES


@pytest.mark.parametrize("base", ["", "rtsp://[evil/", "rtsp://evil.example/live/"])
def test_base_that_is_no_address_of_the_camera_is_left_alone(feed: RtspFeed, base: str) -> None:
    assert feed._base(answer(content_base=base)) == URL


def test_base_of_the_camera_is_taken(feed: RtspFeed) -> None:
    assert feed._base(answer(content_base=f"{URL}/")) == f"{URL}/"


@pytest.mark.parametrize(("number", "channel"), [("2-3", 2), ("9" * 5000, 0), ("x", 0)])
def test_channel_is_what_the_camera_says_if_it_says_one(number: str, channel: int) -> None:
    assert _channel(answer(transport=f"RTP/AVP/TCP;interleaved={number}")) == channel


@pytest.mark.parametrize(
    ("told", "kept_s"), [("1;timeout=20", 20), (f"1;timeout={'9' * 5000}", 60)]
)
def test_session_lasts_as_the_camera_says_within_reason(
    feed: RtspFeed, told: str, kept_s: int
) -> None:
    feed._note_session(answer(session=told))

    assert feed._session_s == kept_s
