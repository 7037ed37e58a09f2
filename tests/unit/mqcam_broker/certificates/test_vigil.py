from __future__ import annotations

import os
import pwd
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mqcam_broker.certificates import authority, vigil
from mqcam_broker.certificates.vigil import INTERVAL_S, Vigil
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.mosquitto.process import Listener

if TYPE_CHECKING:
    from pathlib import Path

LISTENER = Listener(port=8084)


class Years:
    """Two clocks that a test turns."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.passed_s)


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    user = pwd.getpwuid(os.geteuid()).pw_name
    create(made, Plan(decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)), user=user))
    return made


def watched(made: BrokerDirectory, clock: Years, said: list[str]) -> Vigil:
    return Vigil(made, say=said.append, monotonic=clock.monotonic, now=clock.now)


def test_a_broker_that_runs_for_forty_years_always_has_a_good_certificate(
    made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil, "stale_listeners", lambda _directory: [])
    clock = Years()
    said: list[str] = []
    look = watched(made, clock, said)
    for _ in range(40 * 12):
        clock.passed_s += 30 * INTERVAL_S
        look.look()
        for file in (made.server_certificate, made.ca_certificate):
            assert authority.expiry(file.read_bytes()) > clock.now() + timedelta(days=365)
    assert 5 <= len(said) <= 8


def test_it_looks_once_a_day(made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(Vigil, "renew", lambda _self: looks.append(True))
    clock = Years()
    look = watched(made, clock, [])
    for _ in range(3):
        look.look()
        clock.passed_s += INTERVAL_S - 1
        look.look()
        clock.passed_s += 1
    assert len(looks) == 2


@pytest.mark.parametrize("stale", [[], [LISTENER]])
def test_a_broker_that_shows_its_old_certificate_is_started_anew(
    made: BrokerDirectory, monkeypatch: pytest.MonkeyPatch, stale: list[Listener]
) -> None:
    monkeypatch.setattr(vigil, "stale_listeners", lambda _directory: stale)
    clock = Years()
    look = watched(made, clock, [])
    clock.passed_s = 9 * 365 * INTERVAL_S
    assert look.look() is bool(stale)
    clock.passed_s += INTERVAL_S
    assert look.look() is False


def test_damage_is_told_and_ends_nothing(made: BrokerDirectory) -> None:
    made.ca_key.write_text("damaged")
    clock = Years()
    said: list[str] = []
    look = watched(made, clock, said)
    clock.passed_s = INTERVAL_S
    assert look.look() is False
    [text] = said
    assert "do not belong together" in text


def test_a_missing_owners_key_is_told(made: BrokerDirectory) -> None:
    made.owner_key.unlink()
    clock = Years()
    said: list[str] = []
    clock.passed_s = 21 * 365 * INTERVAL_S
    watched(made, clock, said).renew()
    assert any("owner's key is not there" in text for text in said)
