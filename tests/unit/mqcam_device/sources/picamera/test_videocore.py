from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera import videocore
from mqcam_device.sources.v4l2 import QUERYCAP, S_CTRL

if TYPE_CHECKING:
    from pathlib import Path


def ioctl_number(direction: int, number: int, size: int) -> int:
    """Return what the macros of asm-generic/ioctl.h make of it, for type 'V'."""
    return direction << 30 | size << 16 | ord("V") << 8 | number


def test_the_numbers_of_requests_are_those_of_their_structures() -> None:
    read, write = 2, 1
    capability, control = ctypes.sizeof(videocore.Capability), ctypes.sizeof(videocore.Control)
    assert ioctl_number(read, 0, capability) == QUERYCAP
    assert ioctl_number(read | write, 28, control) == S_CTRL


def answering(card: bytes) -> Any:
    def ioctl(node: object, request: int, argument: videocore.Capability) -> None:
        assert request == QUERYCAP
        argument.card[: len(card)] = card

    return ioctl


@pytest.mark.parametrize(
    ("card", "expected"),
    [(b"bcm2835-codec-encode", True), (b"HD Pro Webcam C920", False), (b"pispbe", False)],
)
def test_the_encoder_is_known_by_its_name_not_by_that_of_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: bytes, expected: bool
) -> None:
    node = tmp_path / "video11"
    node.touch()
    monkeypatch.setattr(fcntl, "ioctl", answering(card))
    assert videocore.has_encoder(str(node)) is expected


def test_no_node_is_no_encoder(tmp_path: Path) -> None:
    assert not videocore.has_encoder(str(tmp_path / "video11"))


def test_a_node_that_is_no_device_is_no_encoder(tmp_path: Path) -> None:
    node = tmp_path / "video11"
    node.touch()
    assert not videocore.has_encoder(str(node))


def test_an_encoder_that_may_not_be_opened_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    node = tmp_path / "video11"
    node.touch()
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    with pytest.raises(SourceError, match="into the group video"):
        videocore.has_encoder(str(node))
