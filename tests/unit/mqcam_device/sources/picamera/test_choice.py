from __future__ import annotations

from typing import Any

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera.choice import choose

USB: dict[str, Any] = {
    "Id": "/base/scb/pcie@0/usb@0,0-1.3",
    "Model": "C270",
    "Num": 0,
}
FRONT: dict[str, Any] = {"Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Model": "imx708", "Num": 1}
BACK: dict[str, Any] = {"Id": "/base/soc/i2c0mux/i2c@0/imx219@10", "Model": "imx219", "Num": 2}


def test_a_camera_is_chosen_by_its_id() -> None:
    assert choose([FRONT, BACK], BACK["Id"]) == 1


def test_without_an_id_it_is_the_first_on_a_ribbon_cable() -> None:
    assert choose([USB, BACK, FRONT], None) == 1


@pytest.mark.parametrize(
    ("cameras", "wanted", "sentence"),
    [
        ([], None, "no camera found: check the ribbon cable"),
        ([], "/x", "there is no camera /x; no camera is there at all"),
        ([USB], None, "'kind: usb' is for USB cameras"),
        ([USB], USB["Id"], "is a USB camera: 'kind: usb' is for those"),
        ([FRONT, BACK], "/x", r"there is /base/soc/\S+imx708@1a \(imx708\), /base/soc/"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    cameras: list[dict[str, Any]], wanted: str | None, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence):
        choose(cameras, wanted)
