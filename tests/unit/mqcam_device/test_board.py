from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError
from mqcam.exits import CONFIGURATION, exit_code
from mqcam_device.board import check_board, read_model

if TYPE_CHECKING:
    from pathlib import Path

SERIAL = b"10000000a1b2c3d4\0"


class Machine:
    """A folder of state, and a board whose serial can be changed."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.serial = folder / "serial-number"

    def start(self, serial: bytes | None, name: str = "front") -> None:
        """Start the agent on a board."""
        self.serial.unlink(missing_ok=True)
        if serial is not None:
            self.serial.write_bytes(serial)
        check_board(self.state, name, serial_paths=(self.serial,))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_same_board_is_welcome_again(machine: Machine) -> None:
    machine.start(SERIAL)
    machine.start(SERIAL)


def test_another_board_is_told_to_get_an_identity_of_its_own(machine: Machine) -> None:
    machine.start(SERIAL)
    with pytest.raises(CredentialsError) as refused:
        machine.start(b"10000000ffffffff\0")
    assert "mqcam-broker add-device" in str(refused.value)
    assert str(machine.state / "front.board") in str(refused.value)
    assert exit_code(refused.value) == CONFIGURATION
    machine.start(SERIAL)


def test_a_replaced_board_is_accepted_when_its_memory_is_deleted(machine: Machine) -> None:
    machine.start(SERIAL)
    (machine.state / "front.board").unlink()
    machine.start(b"10000000ffffffff\0")


def test_two_cameras_of_one_board_do_not_mind_each_other(machine: Machine) -> None:
    machine.start(SERIAL, "front")
    machine.start(SERIAL, "back")


@pytest.mark.parametrize("serial", [None, b"", b"\0", b"0000000000000000\0"])
def test_a_machine_without_a_serial_is_never_refused(
    machine: Machine, serial: bytes | None
) -> None:
    machine.start(serial)
    assert not machine.state.exists()
    machine.start(SERIAL)
    machine.start(serial)


def test_the_serial_itself_is_not_kept(machine: Machine) -> None:
    machine.start(SERIAL)
    kept = machine.state / "front.board"
    assert b"a1b2c3d4" not in kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_check_leaves_nothing_behind(machine: Machine) -> None:
    machine.serial.write_bytes(SERIAL)
    check_board(machine.state, "front", is_start=False, serial_paths=(machine.serial,))
    assert not machine.state.exists()


def test_a_memory_that_cannot_be_read_is_told(machine: Machine) -> None:
    (machine.state / "front.board").mkdir(parents=True)
    with pytest.raises(CredentialsError, match=r"front\.board"):
        machine.start(SERIAL)


def test_a_memory_that_cannot_be_written_is_told(machine: Machine) -> None:
    machine.state.write_text("no folder")
    with pytest.raises(CredentialsError, match=r"front\.board"):
        machine.start(SERIAL)


def test_the_model_has_no_zero_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert read_model(tmp_path / "model") == "Raspberry Pi 4 Model B Rev 1.4"
    assert read_model(tmp_path / "none") == ""
