from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam_device.card import arrivals, erase, is_overwritten, leave_word

if TYPE_CHECKING:
    from pathlib import Path


def test_both_names_of_a_credentials_file_are_found_and_no_others(tmp_path: Path) -> None:
    for name in (
        "front.mqcam",
        "garden.device.yaml",
        "._front.mqcam",  # macOS
        "front.mqcam.refused.txt",
        "config.txt",
        "cmdline.txt",
        "anna.viewer.yaml",
    ):
        (tmp_path / name).touch()
    found = arrivals([tmp_path])
    assert [path.name for path in found] == ["front.mqcam", "garden.device.yaml"]


def test_a_partition_that_has_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/front.mqcam").touch()
    (tmp_path / "firmware").symlink_to(tmp_path / "boot")
    assert len(arrivals([tmp_path / "firmware", tmp_path / "boot"])) == 1


def test_where_there_is_no_partition_there_is_no_file(tmp_path: Path) -> None:
    assert arrivals([tmp_path / "missing"]) == []


def test_an_erased_file_is_overwritten_where_it_lay(tmp_path: Path) -> None:
    path = tmp_path / "front.mqcam"
    path.write_bytes(b"secret" * 1000)
    (tmp_path / "other-name").hardlink_to(path)
    leave_word(path, "no")
    leave_word(tmp_path / "back.device.yaml", "two")
    erase(path)
    assert [each.name for each in tmp_path.iterdir()] == ["other-name"]
    assert (tmp_path / "other-name").read_bytes() == bytes(6000)


def test_a_folder_that_is_called_like_a_word_keeps_nothing_from_being_erased(
    tmp_path: Path,
) -> None:
    path = tmp_path / "front.mqcam"
    path.write_bytes(b"secret")
    (tmp_path / "a.mqcam.refused.txt").mkdir()
    leave_word(path, "no")
    erase(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.mqcam.refused.txt"]


@pytest.mark.parametrize(
    ("content", "is_so"), [(bytes(3000), True), (b"", False), (bytes(9) + b"key", False)]
)
def test_a_file_that_was_being_erased_is_known(tmp_path: Path, content: bytes, is_so: bool) -> None:
    path = tmp_path / "front.mqcam"
    assert not is_overwritten(path)
    path.write_bytes(content)
    assert is_overwritten(path) is is_so


def test_a_word_is_left_for_the_holder_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "front.mqcam"
    leave_word(path, "an older and longer word")
    leave_word(path, "damaged")
    assert (tmp_path / "front.mqcam.refused.txt").read_bytes() == b"damaged\r\n"


def test_a_file_that_cannot_be_erased_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="front"):
        erase(tmp_path / "front.mqcam")
