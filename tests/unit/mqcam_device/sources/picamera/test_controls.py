from __future__ import annotations

import pytest
from mqcam.errors import SourceError
from mqcam_device.media import ControlInfo, ControlValue
from mqcam_device.sources.picamera.controls import View, describe, merge, translate, usable

FULL = (0, 0, 4608, 2592)
ALL = {
    "AfMode": (0, 2, 0),
    "LensPosition": (0.0, 15.0, 1.0),
    "HdrMode": (0, 4, 0),
    "ExposureTime": (9, 66_666, 20_000),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "ExposureValue": (-8.0, 8.0, 0.0),
    "AwbMode": (0, 7, 0),
    "Brightness": (-1.0, 1.0, 0.0),
    "ScalerCrop": ((0, 0, 64, 64), FULL, FULL),
}
UPRIGHT = View(left=0, streams=2)


def native(**values: ControlValue) -> dict[str, object]:
    return translate(values, ALL, UPRIGHT)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("autofocus", "continuous", {"AfMode": 2}),
        ("autofocus", "auto", {"AfMode": 1, "AfTrigger": 0}),
        ("lens_position", 2, {"LensPosition": 2.0, "AfMode": 0}),
        ("hdr", "night", {"HdrMode": 4}),
        ("exposure_us", 1000.0, {"ExposureTime": 1000}),
        ("exposure_us", 0, {"ExposureTime": 0}),
        ("gain", 2, {"AnalogueGain": 2.0}),
        ("ev", -1.5, {"ExposureValue": -1.5}),
        ("white_balance", "cloudy", {"AwbMode": 6}),
        ("zoom", (0.5, 0.5, 0.5, 0.5), {"ScalerCrop": (2304, 1296, 2304, 1296)}),
    ],
)
def test_our_words_are_libcameras_values(
    name: str, value: ControlValue, expected: dict[str, object]
) -> None:
    found = native(**{name: value})
    assert found == expected
    assert type(found[next(iter(expected))]) is type(expected[next(iter(expected))])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("sharpness", 1.0, "this camera cannot be told that"),
        ("saturation", 1.0, "this camera cannot be told that"),
        ("lens_position", 16.0, "takes 0 to 15, not 16"),
        ("exposure_us", 8, "takes 9 to 66666, not 8"),
        ("gain", True, "expected a number, not True"),
        ("gain", "2", "expected a number, not '2'"),
        ("hdr", "sensor", "set in the configuration"),
        ("white_balance", "moonlight", "expected one of auto, incandescent"),
        ("zoom", (0.5, 0.5, 0.6, 0.5), "each a part of the view"),
        ("zoom", (0.0, 0.0, 0.0, 1.0), "each a part of the view"),
        ("zoom", 2.0, "each a part of the view"),
        ("colour", 1.0, "there is no such control; a camera can have"),
    ],
)
def test_what_a_camera_has_not_is_refused_with_a_sentence(
    name: str, value: ControlValue, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence) as caught:
        native(**{name: value})
    assert caught.value.source == name


def test_one_that_is_refused_stops_all_of_a_call() -> None:
    with pytest.raises(SourceError):
        native(gain=2.0, sharpness=1.0)


def test_at_a_start_what_can_be_set_is_and_the_rest_is_said() -> None:
    good, sentences = usable((("gain", 2.0), ("sharpness", 1.0), ("ev", 9.0)), ALL, UPRIGHT)
    assert good == {"gain": 2.0}
    assert sentences == (
        "sharpness: this camera cannot be told that",
        "ev: this camera takes -8 to 8, not 9",
    )


def test_of_two_that_contradict_each_other_the_later_one_holds() -> None:
    by_hand = (("autofocus", "continuous"), ("lens_position", 1.0))
    assert usable(by_hand, ALL, UPRIGHT)[0] == {"autofocus": "manual", "lens_position": 1.0}
    assert usable(reversed(by_hand), ALL, UPRIGHT)[0] == {"autofocus": "continuous"}


def test_where_streams_are_cropped_singly_all_are() -> None:
    advertised = {**ALL, "ScalerCrops": ((576, 0, 3456, 2592), FULL, FULL)}
    found = translate({"zoom": (0.0, 0.0, 0.5, 0.5)}, advertised, UPRIGHT)
    assert found == {"ScalerCrops": [(576, 0, 1728, 1296)] * 2}


def test_zoom_is_of_what_the_viewer_sees() -> None:
    turned = View(left=90, streams=2)
    found = translate({"zoom": (0.5, 0.0, 0.5, 0.5)}, ALL, turned)
    assert found == {"ScalerCrop": (0, 0, 2304, 1296)}


def test_what_a_camera_has_is_described_with_what_it_was_set_to() -> None:
    found = {each.name: each for each in describe(ALL, {"gain": 2.0, "hdr": "off"})}
    assert found["gain"] == ControlInfo(name="gain", kind="number", value=2.0, least=0, most=16.0)
    assert found["exposure_us"].value is None
    assert found["hdr"].choices == ("off", "multi", "single", "night")
    assert found["zoom"].value == (0, 0, 1, 1)
    assert "sharpness" not in found


def test_only_words_that_the_camera_knows_are_offered() -> None:
    [found] = describe({"HdrMode": (0, 0, 0)}, {})
    assert found.choices == ("off",)


def test_all_that_is_described_can_be_set() -> None:
    for each in describe(ALL, {}):
        value: ControlValue = (0.0, 0.0, 1.0, 1.0)
        if each.kind == "choice":
            value = each.choices[-1]
        elif each.most is not None:
            value = each.most
        native(**{each.name: value})


def test_a_lens_put_by_hand_ends_autofocus_and_the_other_way_round() -> None:
    assert merge({"autofocus": "continuous"}, {"lens_position": 1.0}) == {
        "autofocus": "manual",
        "lens_position": 1.0,
    }
    assert merge({"autofocus": "manual", "lens_position": 1.0}, {"autofocus": "auto"}) == {
        "autofocus": "auto"
    }
    with pytest.raises(SourceError, match="for 'autofocus: manual' only"):
        merge({}, {"autofocus": "auto", "lens_position": 1.0})
