"""The owner's latest word: obeyed, kept, never taken back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from mqcam.trust.keys import SigningKey
from mqcam.trust.obedience import OwnerWord
from mqcam.trust.ownerstate import PAYLOAD_MAX_BYTES, OwnerState

if TYPE_CHECKING:
    from pathlib import Path

OWNER, OTHER = SigningKey(b"1" * 32), SigningKey(b"2" * 32)
TOPIC = "mqcam/v1/owner/state"


def word(path: Path, heard: list[int], *, owner: str | None = OWNER.public) -> OwnerWord:
    return OwnerWord(
        topic=TOPIC, owner=owner, path=path, on_state=lambda state: heard.append(state.number)
    )


def said(number: int, *, signer: SigningKey = OWNER, topic: str = TOPIC) -> bytes:
    return OwnerState(number=number, revoked=(f"serial{number:02}",)).issue(signer, topic)


def test_higher_number_is_obeyed_and_survives_a_restart(tmp_path: Path) -> None:
    heard: list[int] = []
    owner = word(tmp_path / "new" / "state", heard)
    assert owner.state == OwnerState()
    owner.receive(said(3), 0.0)
    owner.receive(said(3), 1.0)
    assert heard == [3]
    again = word(tmp_path / "new" / "state", heard)
    assert again.state.revoked == ("serial03",)


def test_lower_number_is_refused_also_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []
    word(tmp_path / "state", heard).receive(said(5), 0.0)
    again = word(tmp_path / "state", heard)
    with caplog.at_level(logging.WARNING):
        again.receive(said(4), 0.0)
        again.receive(said(4), 1.0)
    assert heard == [5]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        said(9, signer=OTHER),
        said(9, topic="other/v1/owner/state"),
        said(9)[:-1],
        said(9) + b" ",
        b"\x01" * (PAYLOAD_MAX_BYTES + 1),
    ],
    ids=["empty", "plain", "signer", "namespace", "cut", "longer", "large"],
)
def test_anything_else_is_refused(tmp_path: Path, payload: bytes) -> None:
    heard: list[int] = []
    owner = word(tmp_path / "state", heard)
    owner.receive(payload, 0.0)
    assert heard == []
    assert not (tmp_path / "state").exists()


def test_flood_is_dropped_unread(tmp_path: Path) -> None:
    heard: list[int] = []
    owner = word(tmp_path / "state", heard)
    for _ in range(100):
        owner.receive(b"rubbish", 0.0)
    owner.receive(said(1), 0.0)
    assert heard == []
    owner.receive(said(1), 1.0)
    assert heard == [1]


def test_without_an_owner_nothing_is_obeyed(tmp_path: Path) -> None:
    heard: list[int] = []
    word(tmp_path / "state", heard, owner=None).receive(said(1), 0.0)
    assert heard == []


@pytest.mark.parametrize("content", [b"", b"rubbish", said(7, signer=OTHER)])
def test_damaged_memory_is_as_none_and_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    heard: list[int] = []
    with caplog.at_level(logging.WARNING):
        owner = word(path, heard)
    assert "cannot be used" in caplog.text
    owner.receive(said(2), 0.0)
    assert word(path, []).state.number == 2
