"""Our names for what a camera can be told, and libcamera's.

It must not know picamera2: it reads what ``Picamera2.camera_controls`` returned, which says for
each control that the camera has the least, the greatest and the usual value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import SourceError

from mqcam_device.media import ControlInfo
from mqcam_device.sources.picamera.turning import to_sensor
from mqcam_device.sources.picamera.view import crop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mqcam_device.media import ControlValue, Rotation

Advertised = dict[str, tuple[Any, Any, Any]]
Native = dict[str, Any]
"""Values by libcamera's names."""

AF_MODE, HDR_MODE, LENS = "AfMode", "HdrMode", "LensPosition"
CROP, CROPS = "ScalerCrop", "ScalerCrops"
"""Where there is the second (Pi 5), picamera2 sets it and it wins over the first."""

_BY_ITSELF: Final = 0
"""Of exposure and gain: what gives the choice back to the camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A control that is a number; ``is_choosable`` if the camera can also choose it itself."""

    native: str
    is_whole: bool = False
    is_choosable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A control that is one of several words: libcamera's enumerations."""

    native: str
    words: dict[str, int]


NUMBERS: Final = {
    "lens_position": Number(native=LENS),
    "exposure_us": Number(native="ExposureTime", is_whole=True, is_choosable=True),
    "gain": Number(native="AnalogueGain", is_choosable=True),
    "ev": Number(native="ExposureValue"),
    "brightness": Number(native="Brightness"),
    "contrast": Number(native="Contrast"),
    "saturation": Number(native="Saturation"),
    "sharpness": Number(native="Sharpness"),
}
CHOICES: Final = {
    "autofocus": Choice(native=AF_MODE, words={"manual": 0, "auto": 1, "continuous": 2}),
    "hdr": Choice(native=HDR_MODE, words={"off": 0, "multi": 2, "single": 3, "night": 4}),
    "white_balance": Choice(
        native="AwbMode",
        words={
            "auto": 0,
            "incandescent": 1,
            "tungsten": 2,
            "fluorescent": 3,
            "indoor": 4,
            "daylight": 5,
            "cloudy": 6,
        },
    ),
}
ZOOM: Final = "zoom"
SENSOR_HDR: Final = "sensor"
"""The word of ``hdr`` that is set before the camera is opened, and needs another camera later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What zoom depends on: what the viewer turns, and how many streams are cropped."""

    left: Rotation
    streams: int


def describe(advertised: Advertised, values: Mapping[str, ControlValue]) -> tuple[ControlInfo, ...]:
    """Return the controls that the camera has, with the values they were set to."""
    found = []
    for name, number in NUMBERS.items():
        if number.native in advertised:
            least, most, _ = advertised[number.native]
            least = _BY_ITSELF if number.is_choosable else least
            value = values.get(name)
            found.append(ControlInfo(name=name, kind="number", value=value, least=least, most=most))
    for name, choice in CHOICES.items():
        words = _words(choice, advertised)
        if words:
            found.append(
                ControlInfo(name=name, kind="choice", value=values.get(name), choices=words)
            )
    if CROP in advertised:
        found.append(ControlInfo(name=ZOOM, kind="area", value=values.get(ZOOM, (0, 0, 1, 1))))
    return tuple(found)


def translate(values: Mapping[str, ControlValue], advertised: Advertised, view: View) -> Native:
    """Return values in libcamera's terms; raises SourceError for the first that cannot be set."""
    native: Native = {}
    for name, value in values.items():
        native |= _translate(name, value, advertised, view)
    return native


def usable(
    values: Iterable[tuple[str, ControlValue]], advertised: Advertised, view: View
) -> tuple[dict[str, ControlValue], tuple[str, ...]]:
    """Return the values that can be set, and a sentence for each that cannot.

    Of two that contradict each other the later one holds: it was set at run time, before a restart.
    """
    good: dict[str, ControlValue] = {}
    sentences = []
    for name, value in values:
        try:
            _translate(name, value, advertised, view)
        except SourceError as error:
            sentences.append(str(error))
        else:
            good = merge(good, {name: value})
    return good, tuple(sentences)


def merge(
    before: Mapping[str, ControlValue], changes: Mapping[str, ControlValue]
) -> dict[str, ControlValue]:
    """Return what holds after changes; raises SourceError for two that contradict each other.

    A lens that is put somewhere by hand has no autofocus, and the other way round.
    """
    after = {**before, **changes}
    if "lens_position" in changes:
        if changes.get("autofocus", "manual") != "manual":
            raise SourceError("lens_position", "is for 'autofocus: manual' only")
        after["autofocus"] = "manual"
    elif changes.get("autofocus", "manual") != "manual":
        after.pop("lens_position", None)
    return after


def _translate(name: str, value: ControlValue, advertised: Advertised, view: View) -> Native:
    if name in NUMBERS:
        return _translate_number(name, NUMBERS[name], value, advertised)
    if name in CHOICES:
        return _translate_choice(name, CHOICES[name], value, advertised)
    if name == ZOOM:
        return _translate_zoom(value, advertised, view)
    known = ", ".join((*NUMBERS, *CHOICES, ZOOM))
    raise SourceError(name, f"there is no such control; a camera can have {known}")


def _translate_number(
    name: str, number: Number, value: ControlValue, advertised: Advertised
) -> Native:
    if number.native not in advertised:
        raise SourceError(name, "this camera cannot be told that")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceError(name, f"expected a number, not {value!r}")
    least, most, _ = advertised[number.native]
    is_given_back = number.is_choosable and value == _BY_ITSELF
    if not (is_given_back or least <= value <= most):
        raise SourceError(name, f"this camera takes {least:g} to {most:g}, not {value:g}")
    native: Native = {number.native: int(value) if number.is_whole else float(value)}
    if number.native == LENS and AF_MODE in advertised:
        native[AF_MODE] = CHOICES["autofocus"].words["manual"]
    return native


def _translate_choice(
    name: str, choice: Choice, value: ControlValue, advertised: Advertised
) -> Native:
    words = _words(choice, advertised)
    if not words:
        raise SourceError(name, "this camera cannot be told that")
    if value == SENSOR_HDR and choice.native == HDR_MODE:
        raise SourceError(name, "the sensor's own HDR is set in the configuration, before a start")
    if value not in words:
        raise SourceError(name, f"expected one of {', '.join(words)}, not {value!r}")
    native: Native = {choice.native: choice.words[str(value)]}
    if choice.native == AF_MODE and value == "auto":
        native["AfTrigger"] = 0  # AfTriggerEnum.Start: focus once, now
    return native


def _words(choice: Choice, advertised: Advertised) -> tuple[str, ...]:
    """Return the words of a choice that the camera has."""
    if choice.native not in advertised:
        return ()
    least, most, _ = advertised[choice.native]
    return tuple(word for word, number in choice.words.items() if least <= number <= most)


def _translate_zoom(value: ControlValue, advertised: Advertised, view: View) -> Native:
    if CROP not in advertised:
        raise SourceError(ZOOM, "this camera cannot be told that")
    area = _area(value)
    smallest, largest, usual = advertised[CROP]
    full = advertised[CROPS][0] if CROPS in advertised else usual or largest
    rectangle = crop(to_sensor(area, view.left), full, smallest[2:])
    if CROPS in advertised:
        return {CROPS: [rectangle] * view.streams}
    return {CROP: rectangle}


def _area(value: ControlValue) -> tuple[float, float, float, float]:
    """Return an area's four numbers; raises SourceError if it is not within the view."""
    if isinstance(value, tuple | list) and len(value) == 4:  # noqa: PLR2004 - an area
        left, top, width, height = value
        is_inside = min(left, top) >= 0 and left + width <= 1 and top + height <= 1
        if is_inside and min(width, height) > 0:
            return left, top, width, height
    reason = "expected left, top, width and height, each a part of the view from 0 to 1"
    raise SourceError(ZOOM, reason)
