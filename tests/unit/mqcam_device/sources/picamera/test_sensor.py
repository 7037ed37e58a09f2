from __future__ import annotations

from mqcam_device.sources.picamera.sensor import set_sensor_hdr


def test_only_one_sensor_makes_hdr() -> None:
    assert "only the camera module 3" in set_sensor_hdr({"Model": "imx219"}, is_wanted=True)
    assert set_sensor_hdr({"Model": "imx219"}, is_wanted=False) == ""


def test_a_sensor_that_cannot_be_told_starts_without() -> None:
    camera = {"Model": "imx708_wide", "Num": 0}
    assert "hdr: the sensor cannot be told" in set_sensor_hdr(camera, is_wanted=True)
    assert set_sensor_hdr(camera, is_wanted=False) == ""
