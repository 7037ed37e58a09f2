from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.errors import MqcamError
from mqcam_device.snapshot import check_target, jpeg_size, with_rotation

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b"\xff\xd8\xff\xe0\x00\x06JFIF"
SIZE = b"\xff\xc0\x00\x11\x08\x02\xd0\x05\x00" + bytes(12)


def test_the_size_stands_behind_other_segments() -> None:
    assert jpeg_size(HEAD + SIZE) == (1280, 720)


@pytest.mark.parametrize("picture", [b"", b"\xff", HEAD, HEAD + SIZE[:6], HEAD + b"\xff\xc4\0\2"])
def test_a_damaged_picture_has_no_size(picture: bytes) -> None:
    assert jpeg_size(picture) == (0, 0)


EXIF = b"\xff\xe1\x00\x0aExif\0\0MM"


@pytest.mark.parametrize(("rotation", "orientation"), [(90, 6), (180, 3), (270, 8)])
@pytest.mark.parametrize("before", [b"\xff\xd8" + SIZE, b"\xff\xd8" + EXIF + SIZE])
def test_what_is_left_to_turn_is_written_once(
    before: bytes, rotation: int, orientation: int
) -> None:
    turned = with_rotation(before, rotation)
    assert turned.startswith(b"\xff\xd8\xff\xe1\x00\x22Exif\0\0MM\x00\x2a\0\0\0\x08\0\x01")
    assert turned.count(b"Exif") == 1
    assert turned[22:34] == bytes.fromhex(f"0112000300000001000{orientation}0000")
    assert turned.endswith(SIZE)
    assert jpeg_size(turned) == (1280, 720)


@pytest.mark.parametrize("picture", [HEAD + SIZE, b"", b"no picture"])
def test_an_upright_picture_is_left_as_it_is(picture: bytes) -> None:
    assert with_rotation(picture, 0) == picture


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("front.png", "end it in .jpg"),
        ("front", "end it in .jpg"),
        ("folder.jpg", "is a folder"),
        ("nowhere/front.jpg", "its folder does not exist"),
    ],
)
def test_a_file_is_judged_before_the_camera_is_asked(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(MqcamError, match=said):
        check_target(tmp_path / name)


@pytest.mark.parametrize("picture", [b"", b"\xff\xd8\xff", b"no picture"])
def test_what_is_no_picture_is_not_turned(picture: bytes) -> None:
    assert with_rotation(picture, 90) == picture


def test_a_picture_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """As that of mqcam-viewer does: who aims a camera takes many."""
    (tmp_path / "front.JPG").touch()
    check_target(tmp_path / "front.JPG")
