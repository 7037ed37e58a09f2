"""What a client makes of statuses, without a broker."""

from __future__ import annotations

import time

import pytest
from mqcam.credentials import Credentials
from mqcam.protocol.codec import encode
from mqcam.protocol.messages import Status
from mqcam.transport import Incoming
from mqcam.trust.documents import Certificate
from mqcam.trust.envelope import signed
from mqcam.trust.keys import SigningKey
from mqcam.trust.signing import Purpose
from mqcam_viewer.client import Client

OWNER, CAMERA = SigningKey.generate(), SigningKey.generate()
STATUS_TOPIC = "mqcam/v1/d/cam/status"
CERTIFICATE = Certificate(name="cam", key=CAMERA.public, serial="12345678").issue(OWNER, "mqcam")


def client_that_heard(since: int | None) -> Client:
    """Return a client to which a camera's last word has come."""
    client = made_client()
    said = Status(n=0, state="offline", boot="b", nonce="n", since=since, certificate=CERTIFICATE)
    hear(client, CAMERA, said)
    return client


def made_client() -> Client:
    credentials = Credentials(
        kind="viewer",
        name="laptop",
        broker=("mqtt://127.0.0.1:1",),
        username="laptop",
        password="secret",
        identity=SigningKey.generate().secret_text(),
        owner=OWNER.public,
    )
    return Client(credentials)


def hear(client: Client, signer: SigningKey, status: Status) -> None:
    payload = signed(signer, Purpose.STATUS, STATUS_TOPIC, encode(status))
    client._receive(Incoming(topic=STATUS_TOPIC, payload=payload, retained=True))


async def test_a_camera_that_another_key_speaks_for_is_not_believed() -> None:
    client = made_client()
    said = Status(n=0, state="online", boot="b", nonce="n", certificate=CERTIFICATE)
    hear(client, SigningKey.generate(), said)

    assert client.known() == {}
    assert [(name, error.code) for name, error in client.refused().items()] == [
        ("cam", "unknown-key")
    ]

    hear(client, CAMERA, said)

    assert client.refused() == {}
    assert list(client.known()) == ["cam"]


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
