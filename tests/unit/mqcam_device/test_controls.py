from __future__ import annotations

import pytest
from mqcam.errors import UsageError
from mqcam_device.controls import advice, parse_changes, text_of
from mqcam_device.media import ControlInfo, ControlValue

CONTROLS = (
    ControlInfo(name="brightness", kind="number", least=-1, most=1),
    ControlInfo(name="autofocus", kind="choice", value="manual", choices=("manual", "continuous")),
    ControlInfo(name="light", kind="switch", value=True),
    ControlInfo(name="zoom", kind="area", value=(0.0, 0.0, 1.0, 1.0)),
)


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ("brightness=-0.25", {"brightness": -0.25}),
        ("autofocus=continuous", {"autofocus": "continuous"}),
        ("light=off", {"light": False}),
        ("light=True", {"light": True}),
        ("zoom=0.25,0.25,0.5,0.5", {"zoom": (0.25, 0.25, 0.5, 0.5)}),
    ],
)
def test_a_value_is_read_as_its_control_takes_it(
    change: str, values: dict[str, ControlValue]
) -> None:
    assert parse_changes([change], CONTROLS) == values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("brightness", "write brightness=VALUE"),
        ("=1", "write NAME=VALUE"),
        ("contrast=1", "it has brightness, autofocus, light, zoom"),
        ("brightness=2", "it takes -1 to 1"),
        ("brightness=nan", "it takes -1 to 1"),
        ("brightness=bright", "it takes -1 to 1"),
        ("autofocus=auto", "it takes manual, continuous"),
        ("light=dim", "it takes on, off"),
        ("zoom=0,0,1", "left,top,width,height"),
        ("zoom=0.5,0,1,1", "left,top,width,height"),
        ("zoom=0,0,0,0", "left,top,width,height"),
    ],
)
def test_a_mistake_says_what_the_control_takes(change: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_changes([change], CONTROLS)


def test_a_camera_without_controls_says_so() -> None:
    assert text_of(()) == "this camera has nothing that can be changed while it runs"
    with pytest.raises(UsageError, match="it has none"):
        parse_changes(["zoom=0,0,1,1"], ())


def test_the_table_is_aligned() -> None:
    assert text_of(CONTROLS).splitlines() == [
        "NAME        VALUE      TAKES",
        "brightness  by itself  -1 to 1",
        "autofocus   manual     manual, continuous",
        "light       on         on, off",
        "zoom        0,0,1,1    left,top,width,height: parts of the view, 0 to 1",
    ]


def test_the_advice_keeps_all_that_is_set_and_is_what_the_configuration_takes() -> None:
    known = (
        ControlInfo(name="exposure_us", kind="number", value=20000.0, least=0, most=66666),
        ControlInfo(name="gain", kind="number", value=1.5, least=0, most=16),
        ControlInfo(name="ev", kind="number", least=-8, most=8),
        ControlInfo(name="light", kind="switch", value=False),
        ControlInfo(name="autofocus", kind="choice", value="manual", choices=("manual", "auto")),
        ControlInfo(name="zoom", kind="area", value=(0.0, 0.0, 0.5, 0.5)),
    )
    assert advice(known).endswith(
        "  controls: {exposure_us: 20000, gain: 1.5, light: false, "
        'autofocus: "manual", zoom: [0, 0, 0.5, 0.5]}'
    )


def test_large_numbers_are_printed_as_they_are_typed() -> None:
    known = ControlInfo(
        name="exposure_us", kind="number", value=1_234_567.0, least=0, most=112_015_443
    )
    assert text_of((known,)).splitlines()[1] == "exposure_us  1234567  0 to 112015443"
