"""An owner takes back what he signed: real keys, envelopes, documents, judges and both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.codec import encode
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import Ended, Inbound, Send, Started
from mqcam.protocol.messages import Gone, Status
from mqcam.protocol.topics import Namespace
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.trust.documents import Certificate, Grant
from mqcam.trust.envelope import DeviceEnvelope, ViewerEnvelope
from mqcam.trust.keys import SigningKey
from mqcam.trust.obedience import OwnerWord
from mqcam.trust.ownerstate import OwnerState
from mqcam.trust.pins import AuthorizedViewers, KnownDevices
from mqcam.trust.rights import ViewerTrust
from mqcam.trust.vouching import DeviceTrust
from support.endpoints import counting_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mqcam.protocol.effects import Effect, SessionKey

HOME = Namespace("home")
OWNER, FRONT, NEW_FRONT, LAPTOP, PHONE = (SigningKey(bytes([each]) * 32) for each in range(1, 6))
FRONT_SERIAL, NEW_SERIAL, LAPTOP_SERIAL, PHONE_SERIAL = (f"serial0{each}" for each in range(4))
LAPTOP_GRANT = Grant(name="laptop", key=LAPTOP.public, serial=LAPTOP_SERIAL, cameras=("front",))


def state(number: int, *revoked: str) -> bytes:
    """Return the owner's word."""
    return OwnerState(number=number, revoked=revoked).issue(OWNER, HOME.owner_state())


class Camera:
    """The camera ``front``, whose clock shows ``second``."""

    def __init__(self, folder: Path, key: SigningKey = FRONT, serial: str = FRONT_SERIAL) -> None:
        self.second: int | None = 100
        self.said: list[Send] = []
        self.certificate = Certificate(name="front", key=key.public, serial=serial)
        self.trust = ViewerTrust(
            namespace="home",
            device="front",
            owner=OWNER.public,
            authorized=AuthorizedViewers(folder / "front.authorized_viewers"),
            second=lambda: self.second,
        )
        self.owner = OwnerWord(
            topic=HOME.owner_state(),
            owner=OWNER.public,
            path=folder / "front.owner_state",
            on_state=self.obey,
        )
        self.trust.obey(frozenset(self.owner.state.revoked))
        envelope = DeviceEnvelope(key, "home")
        self.endpoint = DeviceEndpoint(
            namespace="home",
            name="front",
            boot=envelope.seal_key,
            envelope=envelope,
            deadlines=Deadlines(),
            max_viewers=4,
            random_bytes=counting_bytes(),
            authorize=lambda viewer, key, offer: self.trust.authorize(viewer, key, offer.grant),
            key=key.public,
            seal_key=envelope.seal_key,
            certificate=self.certificate.issue(OWNER, "home"),
        )
        self.take(self.endpoint.start(0.0))

    def obey(self, state: OwnerState) -> None:
        self.trust.obey(frozenset(state.revoked))
        self.take(self.endpoint.judge_again(1.0))

    def take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Started):
                self.take(self.endpoint.answered(effect.key, sdp="v=0", now=0.0))
                self.take(self.endpoint.connected(effect.key, 0.0))
            elif isinstance(effect, Send):
                self.said.append(effect)


class Viewer:
    """The viewer ``laptop``, or somebody who calls himself so."""

    def __init__(
        self, folder: Path, key: SigningKey = LAPTOP, grant: Grant = LAPTOP_GRANT, name: str = ""
    ) -> None:
        self.said: list[Send] = []
        self.ends: list[Ended] = []
        self.trust = DeviceTrust(
            namespace="home", owner=OWNER.public, known=KnownDevices(folder / "known_devices")
        )
        self.owner = OwnerWord(
            topic=HOME.owner_state(),
            owner=OWNER.public,
            path=folder / "owner_state",
            on_state=self.obey,
        )
        self.trust.obey(frozenset(self.owner.state.revoked))
        self.endpoint = ViewerEndpoint(
            namespace="home",
            name=name or grant.name,
            envelope=ViewerEnvelope(key, "home"),
            deadlines=Deadlines(),
            random_bytes=counting_bytes(),
            vouch=lambda device, key, status: self.trust.vouch(
                device, key, status.certificate, status.v
            ),
            grant=grant.issue(OWNER, "home"),
            highest_version=self.trust.highest_version,
        )

    def obey(self, state: OwnerState) -> None:
        self.trust.obey(frozenset(state.revoked))
        self.take(self.endpoint.judge_again(1.0))

    def take(self, effects: Sequence[Effect]) -> None:
        self.said += [each for each in effects if isinstance(each, Send)]
        self.ends += [each for each in effects if isinstance(each, Ended)]

    def watch(self, camera: Camera) -> SessionKey:
        """Offer a session and let both talk; it runs unless the camera refused it."""
        talk(camera, self)
        key, effects = self.endpoint.offer("front", sdp="v=0", now=0.0)
        self.take(effects)
        talk(camera, self)
        self.take(self.endpoint.connected(key, 0.0))
        return key

    def close(self) -> None:
        """Wait until all is on the disk, as at the end of the program."""
        self.trust.close()
        self.owner.close()


def talk(camera: Camera, viewer: Viewer) -> None:
    """Be an honest broker until nobody has anything to say."""
    while camera.said or viewer.said:
        for sender, reader in ((camera, viewer.endpoint), (viewer, camera.endpoint)):
            said, sender.said = sender.said, []
            for each in said:
                inbound = Inbound(topic=each.topic, payload=each.payload, retained=each.retain)
                effects = reader.receive(inbound, 0.0)
                (viewer if reader is viewer.endpoint else camera).take(effects)


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    """Return the camera, in a folder of its own."""
    camera = Camera(tmp_path)
    yield camera
    camera.owner.close()


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Viewer]:
    """Return its viewer, in a folder of its own."""
    viewer = Viewer(tmp_path / "laptop")
    yield viewer
    viewer.close()


def test_revoked_viewer_is_shown_out_and_stays_out_after_a_restart(
    camera: Camera, laptop: Viewer, tmp_path: Path
) -> None:
    key = laptop.watch(camera)
    assert laptop.endpoint.sessions == (key,)
    camera.owner.receive(state(1, LAPTOP_SERIAL), 1.0)
    talk(camera, laptop)
    (end,) = laptop.ends
    assert (end.key, end.code) == (key, "revoked")
    assert "was revoked" in end.text
    camera.owner.close()
    restarted = Camera(tmp_path)
    laptop.watch(restarted)
    assert restarted.endpoint.sessions == ()
    assert laptop.ends[-1].code == "unauthorized"


def test_earlier_word_of_the_owner_brings_nobody_back(camera: Camera, laptop: Viewer) -> None:
    camera.owner.receive(state(2, LAPTOP_SERIAL), 1.0)
    camera.owner.receive(state(1), 2.0)
    laptop.watch(camera)
    assert laptop.ends[-1].code == "unauthorized"


def test_other_viewers_go_on(camera: Camera, laptop: Viewer) -> None:
    key = laptop.watch(camera)
    camera.owner.receive(state(1, PHONE_SERIAL), 1.0)
    talk(camera, laptop)
    assert laptop.endpoint.sessions == (key,)


@pytest.mark.parametrize("is_lost", [False, True], ids=["there", "off the broker"])
def test_stolen_camera_is_left_wherever_it_is(
    camera: Camera, laptop: Viewer, is_lost: bool
) -> None:
    """A thief keeps it off the broker; its video would run on."""
    key = laptop.watch(camera)
    if is_lost:
        gone = Inbound(topic=HOME.status("front"), payload=encode(Gone()), retained=True)
        laptop.take(laptop.endpoint.receive(gone, 0.5))
    laptop.owner.receive(state(1, FRONT_SERIAL), 1.0)
    (end,) = laptop.ends
    assert (end.key, end.code) == (key, "revoked-key")
    assert laptop.endpoint.sessions == ()


def test_stolen_camera_that_hides_its_certificate_is_not_believed_as_pinned(
    camera: Camera, laptop: Viewer, tmp_path: Path
) -> None:
    laptop.watch(camera)
    laptop.owner.receive(state(1, FRONT_SERIAL), 1.0)
    laptop.close()
    restarted = Viewer(tmp_path / "laptop")
    envelope = DeviceEnvelope(FRONT, "home")
    bare = Status(n=1, state="online", boot="thief", nonce="n", seal_key=envelope.seal_key)
    topic = HOME.status("front")
    payload = envelope.seal(topic, encode(bare), None)
    restarted.endpoint.receive(Inbound(topic=topic, payload=payload, retained=True), 2.0)
    restarted.close()
    assert restarted.endpoint.devices == {}


def test_session_with_a_stolen_camera_ends_where_its_successor_was_seen_first(
    camera: Camera, laptop: Viewer, tmp_path: Path
) -> None:
    """The new status and the owner's word are two messages: either may come first."""
    key = laptop.watch(camera)
    successor = Camera(tmp_path / "new", NEW_FRONT, NEW_SERIAL)
    talk(successor, laptop)
    assert laptop.endpoint.sessions == (key,)
    laptop.owner.receive(state(1, FRONT_SERIAL), 1.0)
    (end,) = laptop.ends
    assert (end.key, end.code) == (key, "replaced")
    laptop.said.clear()
    newer = laptop.watch(successor)
    assert newer.peer_key == NEW_FRONT.public
    assert laptop.endpoint.sessions == (newer,)
    successor.owner.close()


def test_grant_for_another_camera_opens_nothing_here(camera: Camera, tmp_path: Path) -> None:
    grant = Grant(name="phone", key=PHONE.public, serial=PHONE_SERIAL, cameras=("back", "fron"))
    phone = Viewer(tmp_path / "phone", PHONE, grant)
    phone.watch(camera)
    phone.close()
    assert camera.endpoint.sessions == ()
    assert "does not name the camera front" in phone.ends[0].text


@pytest.mark.parametrize(("name", "said"), [("laptop", "another key"), ("phone", "belongs to")])
def test_grant_of_somebody_else_opens_nothing(
    camera: Camera, tmp_path: Path, name: str, said: str
) -> None:
    """Whoever was sent it cannot use it, with a broker that lets him take any name."""
    thief = Viewer(tmp_path / "thief", PHONE, LAPTOP_GRANT, name=name)
    thief.watch(camera)
    thief.close()
    assert camera.endpoint.sessions == ()
    assert said in thief.ends[0].text


@pytest.mark.parametrize("second", [200, None], ids=["over", "no clock"])
def test_session_ends_with_its_grant_and_where_nobody_knows_the_time(
    camera: Camera, tmp_path: Path, second: int | None
) -> None:
    grant = Grant(name="phone", key=PHONE.public, serial=PHONE_SERIAL, cameras=("*",), expires=200)
    phone = Viewer(tmp_path / "phone", PHONE, grant)
    key = phone.watch(camera)
    camera.take(camera.endpoint.judge_again(1.0))
    assert len(camera.endpoint.sessions) == 1
    camera.second = second
    camera.take(camera.endpoint.judge_again(2.0))
    talk(camera, phone)
    phone.close()
    assert [(end.key, end.code) for end in phone.ends] == [(key, "revoked")]


def test_an_offer_of_one_camera_is_nothing_to_its_successor(
    camera: Camera, laptop: Viewer, tmp_path: Path
) -> None:
    """Sealed to the key of a start that is over, and signed for another identity."""
    talk(camera, laptop)
    _, effects = laptop.endpoint.offer("front", sdp="v=0", now=0.0)
    (sent,) = [each for each in effects if isinstance(each, Send)]
    successor = Camera(tmp_path / "new", NEW_FRONT, NEW_SERIAL)
    inbound = Inbound(topic=sent.topic, payload=sent.payload)
    assert not [each for each in successor.endpoint.receive(inbound, 0.0) if isinstance(each, Send)]
    assert successor.endpoint.sessions == ()
    successor.owner.close()
