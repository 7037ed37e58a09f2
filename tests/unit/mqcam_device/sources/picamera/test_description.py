from __future__ import annotations

import pytest
from mqcam.errors import SourceError
from mqcam_device.media import BT709, SourceSettings
from mqcam_device.sources.picamera.configuration import Configuration, size_of, wanted_sizes
from mqcam_device.sources.picamera.description import describe, with_pace
from mqcam_device.sources.picamera.pace import Pace
from mqcam_device.sources.picamera.turning import Turn

LIMITS = {"FrameDurationLimits": (8_333, 220_000_000, 33_333)}
PACE = Pace.of(LIMITS, fps=30, fps_min=5)


def configured(main: tuple[int, int] = (1280, 720)) -> Configuration:
    turn = Turn(hflip=False, vflip=False, left=90)
    return Configuration(main=main, low=(640, 360), matrix=BT709, turn=turn, native={}, trouble="")


def test_both_layers_are_described_with_what_the_viewer_turns() -> None:
    info = describe(configured(), PACE, max_bitrate_bps=4_000_000, is_hardware=False)
    main, low = info.layers
    assert (info.encoder, info.rotation) == ("libx264", 90)
    assert (main.width, main.fps_min, main.fps_max) == (1280, 5, 30)
    assert (low.width, low.height, low.fps_max) == (640, 360, 15)
    assert main.bitrate_range_bps == (100_000, 4_000_000)
    assert low.bitrate_range_bps == (100_000, 400_000)


def test_the_codec_has_floors_of_its_own() -> None:
    info = describe(configured(), PACE, max_bitrate_bps=4_000_000, is_hardware=True)
    main, low = info.layers
    assert info.encoder == "v4l2:bcm2835-codec"
    assert main.bitrate_range_bps == (600_000, 4_000_000)
    assert low.bitrate_range_bps == (150_000, 400_000)


def test_another_pace_leaves_the_ranges_as_the_encoders_were_opened() -> None:
    before = describe(configured(), PACE, max_bitrate_bps=4_000_000, is_hardware=True)
    after = with_pace(before, PACE.limited(10), configured())
    main, low = after.layers
    assert (main.fps_max, low.fps_max, low.fps_min) == (10, 10, 5)
    assert [each.bitrate_range_bps for each in after.layers] == [
        each.bitrate_range_bps for each in before.layers
    ]


@pytest.mark.parametrize("size", [(2304, 1296), (1920, 1200), (2592, 1080)])
def test_a_size_that_the_codec_does_not_take_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SourceError, match=f"1920x1080 at most, not {size[0]}x{size[1]}"):
        describe(configured(size), PACE, max_bitrate_bps=4_000_000, is_hardware=True)
    describe(configured(size), PACE, max_bitrate_bps=4_000_000, is_hardware=False)


def test_unless_it_is_said_the_picture_is_720p() -> None:
    assert wanted_sizes(SourceSettings(kind="picamera")) == ((1280, 720), (640, 360))
    small = SourceSettings(kind="picamera", width=320, height=240)
    assert wanted_sizes(small) == ((320, 240), (320, 240))


def test_a_format_that_no_encoder_takes_is_refused() -> None:
    assert size_of({"format": "YUV420", "size": (640, 480)}) == (640, 480)
    with pytest.raises(SourceError, match="delivers MJPEG, but YUV420 is needed"):
        size_of({"format": "MJPEG", "size": (640, 480)})
