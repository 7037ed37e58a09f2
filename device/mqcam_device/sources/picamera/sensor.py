"""HDR that the sensor makes itself (imx708, camera module 3): set before the camera is opened.

It must not know configuration files. The switch is the sensor's and outlives us, so it is set both
ways. picamera2's class for it comes with modules that not every installation can load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODEL: Final = "imx708"


def set_sensor_hdr(camera: Mapping[str, Any], *, is_wanted: bool) -> str:
    """Switch it; returns a sentence when it is wanted and cannot be, otherwise an empty text."""
    if not str(camera.get("Model", "")).startswith(_MODEL):
        return "hdr: only the camera module 3 makes HDR in the sensor" if is_wanted else ""
    try:
        module = import_module("picamera2.devices.imx708")
        with module.IMX708(camera["Num"]) as sensor:
            sensor.set_sensor_hdr_mode(is_wanted)
    except Exception as error:  # noqa: BLE001 - a camera without HDR is better than none
        return f"hdr: the sensor cannot be told ({error})" if is_wanted else ""
    return ""
