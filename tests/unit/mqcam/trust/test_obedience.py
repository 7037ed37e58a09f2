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


def word(
    path: Path, heard: list[int], *, owner: str | None = OWNER.public, lowest: int = 0
) -> OwnerWord:
    return OwnerWord(
        topic=TOPIC,
        owner=owner,
        path=path,
        on_state=lambda state: heard.append(state.number),
        lowest=lowest,
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
    owner.close()
    again = word(tmp_path / "new" / "state", heard)
    assert again.state.revoked == ("serial03",)


def test_lower_number_is_refused_also_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []
    first = word(tmp_path / "state", heard)
    first.receive(said(5), 0.0)
    first.close()
    again = word(tmp_path / "state", heard)
    with caplog.at_level(logging.WARNING):
        again.receive(said(4), 0.0)
    assert heard == [5]
    assert "state 4 came after state 5" in str(vars(caplog.records[0])["fields"])


def test_refusals_are_told_once_a_second(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    owner = word(tmp_path / "state", [])
    with caplog.at_level(logging.WARNING):
        for at in (0.0, 0.2, 0.4, 1.0, 1.4):
            owner.receive(b"rubbish", at)
    assert len(caplog.records) == 2


def test_two_different_states_of_one_number_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An owner whose folder came from an old backup would else revoke in vain, and not know it."""
    heard: list[int] = []
    owner = word(tmp_path / "state", heard)
    owner.receive(said(3), 0.0)
    with caplog.at_level(logging.WARNING):
        owner.receive(OwnerState(number=3).issue(OWNER, TOPIC), 1.0)
    owner.close()
    assert owner.state.revoked == ("serial03",)
    assert "two different states" in str(vars(caplog.records[0])["fields"])


def test_what_one_file_lost_the_other_has_and_the_lost_one_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, copy = tmp_path / "state", tmp_path / "state.copy"
    first = word(path, [])
    first.receive(said(5), 0.0)
    first.close()
    for lost, whole in ((path, copy), (copy, path)):
        lost.write_bytes(lost.read_bytes()[:-3] + b"~~~")
        again = word(path, [])
        again.close()
        assert again.state.number == 5
        assert lost.read_bytes() == whole.read_bytes()
    assert "cannot be used" in caplog.text


def test_power_cut_between_the_two_files_keeps_the_newer(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(said(6))
    (tmp_path / "state.copy").write_bytes(said(5))
    owner = word(tmp_path / "state", [])
    owner.close()
    assert owner.state.number == 6
    assert (tmp_path / "state.copy").read_bytes() == said(6)


def test_number_that_nobody_signed_stops_no_later_state(tmp_path: Path) -> None:
    """One flipped bit in a file must not make a camera deaf to its owner."""
    for name in ("state", "state.copy"):
        (tmp_path / name).write_bytes(said(1).replace(b'"number":1', b'"number":9'))
    heard: list[int] = []
    owner = word(tmp_path / "state", heard)
    owner.receive(said(2), 0.0)
    owner.close()
    assert heard == [2]


def test_state_that_cannot_be_kept_is_obeyed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    heard: list[int] = []
    owner = word(tmp_path / "file" / "state", heard)
    owner.receive(said(2), 0.0)
    owner.close()
    assert heard == [2]
    assert "cannot be remembered" in caplog.text


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


def test_state_from_before_the_credentials_is_no_news(tmp_path: Path) -> None:
    """Somebody new would else believe any old word that a broker hands him."""
    heard: list[int] = []
    owner = word(tmp_path / "state", heard, lowest=7)
    owner.receive(said(6), 0.0)
    assert heard == []
    owner.receive(said(7), 1.0)
    assert heard == [7]


def test_flood_is_dropped_unread(tmp_path: Path) -> None:
    heard: list[int] = []
    owner = word(tmp_path / "state", heard)
    for _ in range(100):
        owner.receive(b"rubbish", 0.0)
    owner.receive(said(1), 0.0)
    assert heard == []
    owner.receive(said(1), 1.0)
    owner.close()
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
    owner.close()
    again = word(path, [])
    again.close()
    assert again.state.number == 2
