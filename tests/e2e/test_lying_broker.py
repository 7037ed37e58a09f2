"""A broker that lies can keep people from watching; nobody ever watches somebody else.

The broker's owner has its key and stands between all programs. Each test is one lie; it ends at
the viewer in an error that says what is wrong, or it is harmless.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials, write_credentials
from mqcam.trust.documents import Certificate
from mqcam.trust.keys import SigningKey
from mqcam.trust.places import KNOWN_DEVICES
from support.agent import SMALL, RunningAgent
from support.deceived import STATUS_S, quick, refusal_of, refused, sees, sessions_of
from support.door import Packet
from support.liar import READABLE, Liar, readable, truth
from support.lies import (
    TOPICS,
    flipped,
    forged,
    identity_of,
    instead,
    opened,
    statuses,
    swapped,
)
from support.stranger import good_offer
from support.watching import numbers, viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from support.liar import Lie

MALLORY = SigningKey(b"m" * 32)
REPAIRED_S = 12.0
"""A camera writes over foreign statuses at most every 5 s."""


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar() as running:
        yield running


@pytest.fixture(scope="module")
def broker(liar: Liar) -> Liar:
    """Return the broker of the one camera that all tests of this file share."""
    return liar


@pytest.fixture(autouse=True)
async def _knows_nobody(
    liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Begin each test with a viewer that has never met a camera."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with liar.guests_leave():
        yield


# what it can read


async def test_what_must_not_be_read_would_be_found() -> None:
    async with good_offer() as sdp:
        text = f'{{"t":"offer","sdp":"{sdp}","ice_servers":[{{"urls":["turn:relay"]}}]}}'
    assert readable([Packet(who="", topic="", payload=text.encode())]) == set(READABLE)


async def test_nothing_of_a_session_can_be_read(liar: Liar, tmp_path: Path) -> None:
    """Neither address nor password, not of the camera, the viewer, or a TURN server between."""
    secret = tmp_path / "turn-password"
    secret.write_text("open-sesame\n")
    secret.chmod(0o600)
    relay = (
        f"servers: [{{urls: ['turn:127.0.0.1:9'], username: turner, credential_file: '{secret}'}}]"
    )
    with RunningAgent(liar, name="lender", settings=SMALL, ice=relay) as lender:
        async with viewer(liar) as client, client.watch(lender.name) as stream:
            await numbers(stream, 10)
    passed = [*liar.written, *liar.delivered]
    assert readable(passed) == set()
    everything = b"".join(packet.topic.encode() + packet.payload for packet in passed)
    assert b"lender" in everything
    assert [each for each in (b"open-sesame", b"turner", b"127.0.0.1") if each in everything] == []


async def test_whoever_wants_to_swap_fingerprints_or_addresses_finds_none(
    liar: Liar, camera: RunningAgent
) -> None:
    found: list[str] = []

    def swap(packet: Packet) -> Iterable[Packet]:
        payload = packet.payload
        for what, look in READABLE.items():
            payload, count = look.subn(b"192.0.2.66", payload)
            found.extend([what] * count)
        return (dataclasses.replace(packet, payload=payload),)

    with liar.lying(swap):
        async with quick(liar) as client:
            await sees(client, camera)
    assert found == []


# it poses as the camera


async def test_a_status_with_another_key_is_not_believed(liar: Liar, camera: RunningAgent) -> None:
    lie = statuses(instead(payload=forged(MALLORY)), but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unknown-key"
    assert "nobody vouches" in refusal.text


async def test_a_known_camera_with_another_key_is_not_believed(
    liar: Liar, camera: RunningAgent
) -> None:
    lie = statuses(instead(payload=forged(MALLORY)), but=camera.name)
    async with quick(liar) as client:
        await sees(client, camera)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "changed-key"


async def test_a_certificate_of_an_owner_of_its_own_vouches_for_nobody(
    liar: Liar, camera: RunningAgent
) -> None:
    poser = SigningKey.generate()
    certificate = Certificate(name=camera.name, key=poser.public, serial="A" * 8)
    text = certificate.issue(MALLORY, TOPICS.name)
    lie = statuses(instead(payload=forged(poser, certificate=text)), but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unknown-key"


async def test_another_camera_of_the_same_owner_is_not_this_one(
    liar: Liar, camera: RunningAgent
) -> None:
    """Even if it lends its key to the broker."""
    shed = load_credentials(liar.credentials("device", "shed"))
    poser = SigningKey.parse(shed.identity or "")
    lie = statuses(instead(payload=forged(poser, certificate=shed.certificate)), but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unknown-key"


def only_signed_by(key: SigningKey) -> Lie:
    return lambda packet: (packet,) if packet.payload[1:33] == key.public_bytes else ()


async def test_another_camera_on_the_true_ones_account_shows_nobody_anything(
    liar: Liar, tmp_path: Path
) -> None:
    """A whole agent with name and password of the camera, and a key of its own."""
    with RunningAgent(liar, name="porch", settings=SMALL) as true:
        given = liar.credentials("device", true.name)
        stolen = dataclasses.replace(
            load_credentials(given), identity=MALLORY.secret_text(), certificate=None
        )
        write_credentials(tmp_path / "stolen.yaml", stolen)
        false = RunningAgent(liar, name=true.name, settings=SMALL)
        config = false.config.read_text().replace(str(given), str(tmp_path / "stolen.yaml"))
        false.config.write_text(config)
        with false:
            lie = statuses(only_signed_by(MALLORY), but=true.name)
            async with quick(liar) as client:
                refusal = await refused(client, liar, true, lie, within_s=STATUS_S)
            assert sessions_of(false) == set()
        own = only_signed_by(identity_of(liar, true.name))
        await liar.seen(lambda: bool(list(own(liar.delivered[-1]))), REPAIRED_S)
        async with quick(liar) as client:
            await sees(client, true)
    assert refusal.code == "unknown-key"


# it changes what the camera says


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(flipped, id="one bit"),
        pytest.param(swapped(b'"online"', b'"busy"'), id="the state"),
        pytest.param(swapped(b'"seal_key":"x25519:', b'"seal_key":"x25519:A'), id="the seal key"),
        pytest.param(opened, id="without its signature"),
        pytest.param(lambda packet: b"\x02" + packet.payload[1:], id="as if it were sealed"),
        pytest.param(lambda _: b"", id="nothing"),
    ],
)
async def test_a_changed_status_is_not_believed(
    liar: Liar, camera: RunningAgent, payload: Callable[[Packet], bytes]
) -> None:
    lie = statuses(instead(payload=payload), but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unauthentic"


async def test_a_status_of_a_later_version_is_told_as_such(
    liar: Liar, camera: RunningAgent
) -> None:
    """Nobody can tell here whether the broker lies or this viewer is old."""
    lie = statuses(instead(payload=forged(MALLORY, v=2)), but=camera.name)
    refusal = await refusal_of(liar, camera, lie, within_s=STATUS_S)
    assert refusal.code == "unsupported-version"
    assert "version 2" in refusal.text


def note_version(folder: Path, version: int) -> None:
    """Let the viewer whose state is in ``folder`` have seen a version of its one camera."""
    (pins,) = folder.rglob(KNOWN_DEVICES)
    text = pins.read_text()
    assert " v=1" in text
    pins.write_text(text.replace(" v=1", f" v={version}"))


async def test_a_camera_is_not_taken_back_to_an_earlier_version(
    liar: Liar, camera: RunningAgent, tmp_path: Path
) -> None:
    """What it said before an update, replayed to a viewer that has met it since."""
    async with quick(liar) as client:
        await sees(client, camera)
    note_version(tmp_path, 2)
    async with quick(liar) as client:
        refusal = await refused(client, liar, camera, truth, within_s=STATUS_S)
    assert refusal.code == "downgrade"
    assert "spoke a higher version before" in refusal.text
