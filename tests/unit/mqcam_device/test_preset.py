from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import SourceError
from mqcam_device import preset
from mqcam_device.camerasettings import PicameraSource, UsbSource
from mqcam_device.preset import Choice, Found, Sighting, read_cameras, text_of, without_knowing
from mqcam_device.settings import PatternSource, Source, load_settings

if TYPE_CHECKING:
    from pathlib import Path

RIBBON = Found(kind="picamera", id="/base/soc/i2c0mux/i2c@1/imx708@1a", model="imx708")
SECOND = Found(kind="picamera", id="/base/soc/i2c0mux/i2c@0/imx219@10", model="imx219")
USB = Found(kind="usb", id="usb-046d_C920-video-index0", model="C920")


def choose(cameras: list[Found], **options: Any) -> Choice:
    return preset.choose(Sighting(cameras=tuple(cameras)), **options)


def source_of(choice: Choice, folder: Path) -> Source:
    """Return what the agent reads from the text."""
    path = folder / "device.yaml"
    path.write_text(text_of(choice, credentials="credentials.yaml"))
    settings = load_settings(path)
    assert settings.credentials == folder / "credentials.yaml"
    return settings.source


def test_a_camera_on_the_ribbon_cable_comes_first(tmp_path: Path) -> None:
    choice = choose([USB, RIBBON])
    assert "imx708" in choice.why
    assert source_of(choice, tmp_path) == PicameraSource(kind="picamera")


def test_without_one_a_usb_camera_is_taken(tmp_path: Path) -> None:
    choice = choose([USB])
    assert "C920" in choice.why
    assert source_of(choice, tmp_path) == UsbSource(kind="usb")


def test_without_any_the_pattern_says_what_to_write_later(tmp_path: Path) -> None:
    choice = choose([])
    assert "no camera was found." in choice.why
    assert "'picamera' or 'usb'" in choice.why
    assert source_of(choice, tmp_path) == PatternSource()


def test_of_several_the_first_is_named_so_that_the_next_boot_takes_it_again(
    tmp_path: Path,
) -> None:
    choice = choose([RIBBON, SECOND])
    assert "first of 2" in choice.why
    assert source_of(choice, tmp_path) == PicameraSource(kind="picamera", camera=RIBBON.id)


def test_the_camera_of_another_agent_is_left_to_it(tmp_path: Path) -> None:
    first = choose([RIBBON, SECOND, USB], is_one_of_several=True)
    second = choose(
        [RIBBON, SECOND, USB],
        taken=text_of(first, credentials="a.yaml"),
        is_one_of_several=True,
    )
    assert (first.camera, second.camera) == (RIBBON.id, SECOND.id)
    none = choose([RIBBON], taken=text_of(first, credentials="a.yaml"))
    assert none.kind == "pattern"
    assert "another agent has it" in none.why


def test_what_cannot_be_used_is_not_taken_and_the_reason_told() -> None:
    broken = replace(RIBBON, trouble="has no picture size")
    assert choose([broken, USB]).kind == "usb"
    assert "imx708: has no picture size" in choose([broken]).why
    notes = Sighting(notes=("Pi cameras do not answer",))
    assert "(Pi cameras do not answer)" in preset.choose(notes).why


@pytest.mark.parametrize("text", ["line\nsource: {}", "\0", 'quote " here', "# : é", "\u2028\x85"])
def test_whatever_a_camera_is_called_the_text_can_be_read(tmp_path: Path, text: str) -> None:
    choice = choose([Found(kind="usb", id=USB.id, model=text)], is_one_of_several=True)
    assert source_of(choice, tmp_path) == UsbSource(kind="usb", camera=USB.id)


def test_what_could_not_be_told_is_said(tmp_path: Path) -> None:
    choice = without_knowing("no picamera2\nhere")
    assert "could not be told (no picamera2 here)" in choice.why
    assert source_of(choice, tmp_path) == PatternSource()


def test_the_list_is_read_and_what_is_unknown_in_it_is_passed_over() -> None:
    listed = [
        {"kind": "picamera", "id": "a", "model": "m", "sizes": [], "usable": True, "text": ""},
        {"kind": "usb", "id": "b", "model": "n", "usable": False, "text": "dark"},
        {"kind": "thermal", "id": "c", "model": "o", "text": ""},
    ]
    seen = read_cameras(json.dumps({"cameras": listed, "notes": ["so"]}))
    free, used = seen.cameras
    assert free == Found(kind="picamera", id="a", model="m")
    assert used.trouble == "dark"
    assert seen.notes == ("so",)
    assert seen
    assert not replace(seen, cameras=(used,))


@pytest.mark.parametrize("text", ["", "no camera", "[]", "{}", '{"cameras": [{"kind": "usb"}]}'])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(SourceError):
        read_cameras(text)


def test_every_kind_that_is_preferred_has_its_words() -> None:
    assert set(preset._PREFERRED) == set(preset._WORDS)
