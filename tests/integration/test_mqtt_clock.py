"""Certificates out of their time, for machines that know the time and for those that do not."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from typing import TYPE_CHECKING

import pytest
from mqcam.broker import MqttTimings
from mqcam.errors import BrokerTlsError
from support.certificates import Authority
from support.mosquitto import Mosquitto, mosquitto
from support.mqtt_sessions import settings, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOUR = dt.timedelta(hours=1)
OUT_OF_TIME = {
    "expired": {"ends_in": -HOUR},
    "not yet valid": {"begins_in": HOUR},
}


@contextlib.asynccontextmanager
async def broker_with(authority: Authority, what: str) -> AsyncIterator[Mosquitto]:
    """Run a broker whose certificate is out of its time."""
    certificate = authority.issue("mqcam-broker", **OUT_OF_TIME.get(what, {}))
    files = ("certfile {folder}/server.pem", "keyfile {folder}/server.key")
    async with mosquitto(protocol="mqtts", listener=files) as broker:
        broker.file("server.pem", certificate.certificate_pem)
        broker.file("server.key", certificate.key_pem)
        await broker.start()
        yield broker


@pytest.mark.parametrize("what", OUT_OF_TIME)
async def test_without_a_clock_the_dates_of_a_pinned_authority_are_not_looked_at(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    authority = Authority()
    async with (
        broker_with(authority, what) as broker,
        watched(
            settings(broker.url, ca_pem=authority.pem), is_clock_believed=lambda: False
        ) as found,
    ):
        assert found.session.skips_dates
    assert sum("not synchronised" in each.message for each in caplog.records) == 1


@pytest.mark.parametrize("what", OUT_OF_TIME)
async def test_with_a_clock_they_count(what: str) -> None:
    authority = Authority()
    async with (
        broker_with(authority, what) as broker,
        watched(settings(broker.url, ca_pem=authority.pem), connected=False) as found,
    ):
        state = await found.until_error(BrokerTlsError)
        assert not found.session.skips_dates
    assert "check this machine's clock" in str(state.error)


@pytest.mark.parametrize("what", OUT_OF_TIME)
async def test_the_dates_of_a_public_authority_count_without_a_clock_too(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    (tmp_path / "system.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    async with (
        broker_with(authority, "good") as good,
        broker_with(authority, what) as bad,
        watched(settings(good.url), is_clock_believed=lambda: False),
        watched(settings(bad.url), is_clock_believed=lambda: False, connected=False) as found,
    ):
        state = await found.until_error(BrokerTlsError)
        assert not found.session.skips_dates
    assert "clock" in str(state.error)


async def test_another_authority_is_refused_without_a_clock_too() -> None:
    async with (
        broker_with(Authority(), "expired") as broker,
        watched(
            settings(broker.url, ca_pem=Authority("ours").pem),
            is_clock_believed=lambda: False,
            connected=False,
        ) as found,
    ):
        await found.until_error(BrokerTlsError)


async def test_the_clock_is_asked_at_every_connect() -> None:
    """A machine that has learnt the time meanwhile is not let off again."""
    authority, clock = Authority(), [False]
    async with (
        broker_with(authority, "expired") as broker,
        watched(
            settings(broker.url, ca_pem=authority.pem),
            is_clock_believed=lambda: clock[0],
            timings=MqttTimings(stable_s=0.1),
        ) as found,
    ):
        clock[0] = True
        await broker.kill()
        await found.until(lambda watched: not watched.states[-1].connected)
        await broker.start()
        await found.until_error(BrokerTlsError)
        assert not found.session.skips_dates
