from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError, UsageError
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.changes.relocation import move
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import read_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    decisions = BrokerDecisions(addresses=("mqtts://nas.local:9883",))
    user = pwd.getpwuid(os.geteuid()).pw_name
    create(made, Plan(decisions=decisions, user=user, port=9883, ws_port=9084))
    return made


def test_a_move_is_decided_and_signed(made: BrokerDirectory) -> None:
    before = read_state(made)
    done = move(made, ["new.local", "mqtts://192.0.2.1:443", "wss://new.local", "new.local"])
    assert done.addresses == (
        "mqtts://new.local:9883",
        "mqtts://192.0.2.1:443",
        "wss://new.local:9084/mqtt",
    )
    assert made.read_decisions() == done
    state = read_state(made)
    assert state.brokers == done.addresses
    assert state.number > before.number
    assert state.revoked == before.revoked


@pytest.mark.parametrize("place", ["mqtt://new.local", "http://new.local", "new local"])
def test_a_place_that_nobody_could_use_moves_nothing(made: BrokerDirectory, place: str) -> None:
    before = made.owner_state.read_bytes(), made.decisions.read_bytes()
    with pytest.raises(UsageError):
        move(made, [place])
    assert (made.owner_state.read_bytes(), made.decisions.read_bytes()) == before


def test_too_many_places_are_refused(made: BrokerDirectory) -> None:
    with pytest.raises(UsageError, match="at most 16"):
        move(made, [f"n{number}.local" for number in range(17)])


def test_nothing_moves_without_the_owner(made: BrokerDirectory) -> None:
    made.owner_key.unlink()
    before = made.decisions.read_bytes()
    with pytest.raises(CredentialsError, match="owner's key"):
        move(made, ["new.local"])
    assert made.decisions.read_bytes() == before
