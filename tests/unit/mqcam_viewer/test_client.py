"""What a client makes of statuses, without a broker."""

from __future__ import annotations

import time

import pytest
from mqcam.credentials import Credentials
from mqcam.protocol.codec import encode
from mqcam.protocol.messages import Status
from mqcam.transport import Incoming
from mqcam_viewer.client import Client


def client_that_heard(since: int | None) -> Client:
    """Return a client to which a camera's last word has come."""
    credentials = Credentials(
        kind="viewer",
        name="laptop",
        broker=("mqtt://127.0.0.1:1",),
        username="laptop",
        password="secret",
    )
    client = Client(credentials)
    said = Status(n=0, state="offline", boot="b", nonce="n", since=since)
    client._driver.receive(
        Incoming(topic="mqcam/v1/d/cam/status", payload=encode(said), retained=True)
    )
    return client


async def test_a_camera_that_says_since_when_it_is_away_is_believed() -> None:
    since = int(time.time()) - 60
    at = client_that_heard(since).offline_since("cam")

    assert at is not None
    assert at.timestamp() == since


@pytest.mark.parametrize("since", [None, 253_402_300_799, 2**53 - 1])
async def test_a_time_that_no_calendar_has_is_nobodys_trouble(since: int | None) -> None:
    """The end of the year 9999 is beyond the calendar in time zones east of Greenwich."""
    found = client_that_heard(since).offline_since("cam")

    assert found is None or found.year >= 9999
