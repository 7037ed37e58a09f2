"""device.example.yaml and the code say the same, so that the file can be trusted as a reference."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from mqcam.config import REQUIRED, decode, defaults
from mqcam_device.camerasettings import PicameraSource, RtspSource, UsbSource
from mqcam_device.settings import DeviceSettings, FilmSource, VideoSettings

EXAMPLE = Path(__file__).parents[2] / "device" / "device.example.yaml"
COMMENTED_KEY = re.compile(r"^( *)#([a-z_]+):")
TOP_OF_SOURCE = 2


def keys_of(node: yaml.Node | None, path: str = "") -> set[str]:
    """Return every dotted key of a YAML tree."""
    if not isinstance(node, yaml.MappingNode):
        return {path}
    found: set[str] = set()
    for key, value in node.value:
        found |= keys_of(value, f"{path}.{key.value}" if path else key.value)
    return found


def text_for(kind: type) -> str:
    """Return the example as a user has it who wants this kind: its keys no longer commented out."""
    names = {each.name for each in dataclasses.fields(kind)}
    lines, is_ours = [], False
    for line in EXAMPLE.read_text().splitlines():
        key = COMMENTED_KEY.match(line)
        if key and len(key[1]) == TOP_OF_SOURCE:
            is_ours = key[2] in names
        lines.append(COMMENTED_KEY.sub(r"\1\2:", line) if key and is_ours else line)
    named = next(each.default for each in dataclasses.fields(kind) if each.name == "kind")
    return "\n".join(lines).replace("kind: pattern", f"kind: {named}")


def test_example_has_every_key_and_no_other() -> None:
    assert keys_of(yaml.compose(EXAMPLE.read_text())) == set(defaults(DeviceSettings))


def test_every_value_of_the_example_is_the_default() -> None:
    example = decode(EXAMPLE.read_text(), DeviceSettings, file="device.example.yaml")
    assert [key for key, value in defaults(DeviceSettings).items() if value is REQUIRED] == [
        "credentials"
    ]
    assert example == DeviceSettings(credentials=example.credentials)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (FilmSource, {"path"}),
        (PicameraSource, set()),
        (UsbSource, set()),
        (RtspSource, {"url"}),
    ],
)
def test_example_has_every_key_of_each_kind_with_its_default(kind: type, given: set[str]) -> None:
    text = text_for(kind)
    source = decode(text, DeviceSettings, file="device.example.yaml").source
    assert isinstance(source, kind)
    assert source == kind(**{name: getattr(source, name) for name in given})
    keys = {key.removeprefix("source.") for key in keys_of(yaml.compose(text))}
    assert set(defaults(kind)) <= keys


def test_every_key_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r" *#?[a-z_]+:", line)]
    unexplained = [
        lines[number] for number in keys if not lines[number - 1].strip().startswith("#")
    ]
    assert unexplained == []


def test_ranges_in_the_example_are_those_of_the_code() -> None:
    text = EXAMPLE.read_text()
    assert "Frames per second, 1 to 60." in text
    assert "at the same time, 1 to 64;" in text
    assert VideoSettings().bitrate_bps <= VideoSettings().max_bitrate_bps
