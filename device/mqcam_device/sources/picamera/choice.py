"""Choose one of the cameras that libcamera lists, by what stays the same over reboots.

It must not know picamera2: it reads what ``Picamera2.global_camera_info()`` returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USB = "/usb"
"""What the ids of libcamera's USB cameras contain."""


def choose(cameras: Sequence[Mapping[str, Any]], wanted: str | None) -> int:
    """Return the place of a camera in the list, None being the first on a ribbon cable.

    Raises SourceError with what there is instead.
    """
    if wanted is not None:
        return _place_of(wanted, cameras)
    for place, camera in enumerate(cameras):
        if _USB not in camera["Id"]:
            return place
    if cameras:
        reason = f"no camera on a ribbon cable; 'kind: usb' is for USB cameras; {_listed(cameras)}"
        raise SourceError("picamera", reason)
    raise SourceError("picamera", "no camera found: check the ribbon cable at both of its ends")


def _place_of(wanted: str, cameras: Sequence[Mapping[str, Any]]) -> int:
    if _USB in wanted:
        raise SourceError("picamera", f"{wanted} is a USB camera: 'kind: usb' is for those")
    for place, camera in enumerate(cameras):
        if camera["Id"] == wanted:
            return place
    raise SourceError("picamera", f"there is no camera {wanted}; {_listed(cameras)}")


def _listed(cameras: Sequence[Mapping[str, Any]]) -> str:
    if not cameras:
        return "no camera is there at all: check the ribbon cable at both of its ends"
    names = (f"{camera['Id']} ({camera.get('Model', 'unknown model')})" for camera in cameras)
    return "there is " + ", ".join(names)
