"""A camera and a viewer with real keys, fed their own messages made wrong, for as long as wanted.

It must not know sockets or an event loop: time is a number that moves as chance wants it.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from mqcam.errors import DocumentRefused
from mqcam.protocol.codec import encode
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Ended,
    Inbound,
    PairRequested,
    Reject,
    Renamed,
    Send,
    SessionKey,
    Started,
)
from mqcam.protocol.envelope import Recipient
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import (
    CaptureState,
    Clock,
    Error,
    IceServer,
    MediaClock,
    Pair,
    Paired,
    Want,
)
from mqcam.protocol.topics import SESSION_BYTES, Namespace, new_session_id
from mqcam.protocol.verdict import Denial
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.trust.documents import Certificate, Grant, read_certificate
from mqcam.trust.envelope import DeviceEnvelope, ViewerEnvelope
from mqcam.trust.keys import SigningKey
from mqcam.trust.keys import encode as as_text
from mqcam.trust.pins import AuthorizedViewers
from mqcam.trust.rights import GRANTS_MAX, ViewerTrust
from mqcam.trust.signing import Purpose
from support.forger import Forger, ListeningEnvelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.protocol.messages import Offer, Status

NAMESPACE = "mqcam"
SDP = "v=0\r\n" + "a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host\r\n" * 20
HOST = "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"
LIMITS = Limits(
    bucket_names=16,
    quota_names=16,
    graves=16,
    held_messages=8,
    held_candidates=16,
    waiting_sessions=8,
    waiting_per_key=2,
    session_candidates=32,
    devices=8,
)
"""So small that every table is full before long."""
EXPIRES = 2**33
SECONDS = (*(0, 2**31) * 4, None, EXPIRES)
"""What the camera's clock says: most often that the grant still holds."""
WANTS = (
    Want(),
    Want(width=1280, height=720, fps=12.5, bitrate_bps=2_000_000, layer="main"),
    Want(width=640, height=360, fps=5.0, bitrate_bps=300_000, layer="low"),
)
CAPTURES = (
    CaptureState(),
    CaptureState(
        state="running",
        width=1280,
        height=720,
        fps_min=4.5,
        fps_max=30.0,
        rotation=270,
        text="a dark room",
    ),
)
MEDIA_CLOCK = MediaClock(rtp_timestamp=2**32 - 1, captured_us=1_234_567)
LENT = IceServer(urls=("turn:192.0.2.1",), username="u", credential="c")
PROOF = "A" * 43
NOWHERE = Path("/nonexistent/authorized_viewers")
"""A file that is not there: nobody is pinned."""
SESSIONS_MAX = 6
IN_FLIGHT_MAX = 48
TICKS_MAX = 5000
STEPS_S = (0.0, 0.0, 0.0, 0.01, 0.05, 0.3, 1.0, 4.0)


class World:
    """The camera ``cam``, its viewer ``alice``, others with keys, and all that was ever said."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - to be the same again, not to be secret
        self.now = 0.0
        self.mutated, self.connected = 0, 0
        self.refused: Counter[str] = Counter()
        self.owner, camera, alice, bob, mallory = (self._key() for _ in range(5))
        self._camera, self._pairing = camera, ""
        self.forger = Forger(self.random, namespace=NAMESPACE, owner=self.owner)
        self.forger.authors = (camera, alice, bob, mallory)
        self.in_flight: deque[Inbound] = deque(maxlen=IN_FLIGHT_MAX)
        self.offered: deque[SessionKey] = deque(maxlen=SESSIONS_MAX)
        self.certificate = Certificate(
            name="cam", key=camera.public, serial=as_text(self.random.randbytes(6))
        ).issue(self.owner, NAMESPACE)
        self.grant = Grant(
            name="alice",
            key=alice.public,
            serial=as_text(self.random.randbytes(6)),
            cameras=("cam", "ga*"),
            rights=("view", "talk"),
            expires=EXPIRES,
        ).issue(self.owner, NAMESPACE)
        self.forger.documents = {
            Purpose.CERTIFICATE: (self.certificate, f"{NAMESPACE}/v1/d/cam", camera),
            Purpose.GRANT: (self.grant, f"{NAMESPACE}/v1/v/alice", alice),
        }
        self.camera_seal = DeviceEnvelope(camera, NAMESPACE)
        self.viewer_seal = ViewerEnvelope(alice, NAMESPACE)
        self._viewers = ViewerTrust(
            namespace=NAMESPACE,
            device="cam",
            owner=self.owner.public,
            authorized=AuthorizedViewers(NOWHERE),
            second=lambda: self.random.choice(SECONDS),
        )
        self.device = DeviceEndpoint(
            namespace=NAMESPACE,
            name="cam",
            boot="boot-1",
            envelope=ListeningEnvelope(self.camera_seal, self.forger),
            deadlines=Deadlines(),
            max_viewers=SESSIONS_MAX,
            random_bytes=self.random.randbytes,
            authorize=self._authorize,
            key=camera.public,
            seal_key=self.camera_seal.seal_key,
            certificate=self.certificate,
            limits=LIMITS,
        )
        self.viewer = ViewerEndpoint(
            namespace=NAMESPACE,
            name="alice",
            envelope=ListeningEnvelope(self.viewer_seal, self.forger),
            deadlines=Deadlines(),
            random_bytes=self.random.randbytes,
            vouch=self._vouch,
            grant=self.grant,
            limits=LIMITS,
        )
        self._obey_device(self.device.start(self.now))
        self._say_all_that_a_status_can()
        self._deliver()

    def run(self, mutations: int) -> None:
        """Feed so many wrong messages, between right ones."""
        until = self.mutated + mutations
        while self.mutated < until:
            self._live()
            for _ in range(8):
                self._feed(self.forger.message())
            refusal = self.forger.document()
            self.refused[f"document {refusal}"] += 1
            self.mutated += 9

    def settle(self) -> None:
        """Let two hours pass, so that whatever may be forgotten is."""
        self.in_flight.clear()
        until = self.now + 7200.0
        for _ in range(TICKS_MAX):
            if self.now >= until:
                break
            self.now = min(until, max(self.now, self._next_deadline()))
            self._tick()
        else:
            raise AssertionError("a timer that never rests")
        self.in_flight.clear()
        self.forger.drafts.clear()
        self._viewers._signers._good.clear()
        self._obey_device([self.device.birth()])
        self._deliver()

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return for every table how full it is and how full it may be."""
        device, viewer = self.device, self.viewer
        admission, engine = device._admission, device._engine
        held = [len(each.held._messages) for each in engine.sessions.values()]
        return {
            "device sessions": (len(engine.sessions), 2 * SESSIONS_MAX),
            "viewer sessions": (len(viewer._engine.sessions), 2 * SESSIONS_MAX),
            "device buckets": (len(device._inbox._buckets), LIMITS.bucket_names),
            "viewer buckets": (len(viewer._inbox._buckets), LIMITS.bucket_names),
            "device buckets of the proven": (
                len(device._inbox._proven_buckets),
                LIMITS.bucket_names,
            ),
            "viewer buckets of the proven": (
                len(viewer._inbox._proven_buckets),
                LIMITS.bucket_names,
            ),
            "doubts": (len(device._inbox._doubts), 1),
            "doubts by name": (len(device._inbox._doubts_by_name), LIMITS.bucket_names),
            "proven": (len(device._inbox._proven), LIMITS.bucket_names),
            "graves": (len(admission.nonces), 2 * LIMITS.graves),
            "waiting": (len(admission.waiting), LIMITS.waiting_sessions),
            "held": (max(held, default=0), LIMITS.held_messages),
            "quota": (len(admission._quota), LIMITS.quota_names),
            "good grants": (len(self._viewers._signers._good), GRANTS_MAX),
            "devices": (len(viewer._presence._devices), LIMITS.devices),
            "sealing keys": (len(self.viewer_seal._sealing), 2 * SESSIONS_MAX),
            "effects": (len(engine._effects) + len(viewer._engine._effects), 0),
        }

    # what goes right

    def _say_all_that_a_status_can(self) -> None:
        # A camera says since when it is away only when it leaves, and this one stays.
        announcer = self.device._announcer
        announcer.change(replace(announcer.status, since=2**31))
        effects = self.device.update_status(
            capture=CAPTURES[-1],
            clock=Clock(synchronised=True),
            capabilities=("h264",),
            now=self.now,
        )
        self._obey_device(effects)

    def _live(self) -> None:
        """Let time pass and both ends go on with what they do."""
        self.now += self.random.choice(STEPS_S)
        self._tick()
        choice = self.random.random()
        if choice < 0.25 and len(self.viewer.sessions) < SESSIONS_MAX:
            self._offer(replaces=choice < 0.05)
        elif choice < 0.45:
            self._find_candidates(end=choice < 0.3)
        elif choice < 0.6 and self.viewer.sessions:
            key = self.random.choice(self.viewer.sessions)
            self._obey_viewer(self.viewer.ended(key, reason="closed", now=self.now))
        elif choice < 0.65:
            self._ask_to_be_let_in()
        elif choice < 0.7:
            capture = self.random.choice(CAPTURES)
            self._obey_device(self.device.update_status(capture=capture, now=self.now))
        if choice < 0.75:
            self._deliver()
        alive = {key.session for key in self.viewer.sessions}
        for key in self.device.sessions:
            if key.session in alive:
                self.device.heard(key, self.now)
        for key in self.viewer.sessions:
            self.viewer.heard(key, self.now)

    def _offer(self, *, replaces: bool) -> None:
        key, effects = self.viewer.offer(
            "cam",
            sdp=SDP,
            want=self.random.choice(WANTS),
            replaces=self.offered[-1].session if self.offered and replaces else None,
            now=self.now,
        )
        self.offered.append(key)
        self._obey_viewer(effects)

    def _find_candidates(self, *, end: bool) -> None:
        for endpoint, obey in ((self.device, self._obey_device), (self.viewer, self._obey_viewer)):
            for key in endpoint.sessions[:1]:
                obey(endpoint.local_candidates(key, [HOST], ufrag="u", end=end, now=self.now))

    def _ask_to_be_let_in(self) -> None:
        """Say what a program of its own says, and no endpoint: that a viewer wants to pair."""
        envelope = ListeningEnvelope(self.viewer_seal, self.forger)
        if self._pairing:
            envelope.forget(self._pairing)
        session = new_session_id(self.random.randbytes(SESSION_BYTES))
        self._pairing = Namespace(NAMESPACE).to_device("cam", "alice", session)
        camera = Recipient(key=self._camera.public, seal_key=self.camera_seal.seal_key)
        payload = envelope.seal(self._pairing, encode(Pair(mac=PROOF)), camera)
        self.in_flight.append(Inbound(topic=self._pairing, payload=payload, retained=False))

    def _tick(self) -> None:
        self._obey_device(self.device.tick(self.now))
        self._obey_viewer(self.viewer.tick(self.now))

    def _next_deadline(self) -> float:
        due = (self.device.next_deadline, self.viewer.next_deadline)
        return min((at for at in due if at is not None), default=math.inf)

    def _deliver(self) -> None:
        while self.in_flight:
            self._feed(self.in_flight.popleft())

    def _feed(self, message: Inbound) -> None:
        """Hand a message to whom its topic is, and both a status."""
        if "/v/" not in message.topic:
            self._obey_device(self.device.receive(message, self.now))
        if "/v/" in message.topic or message.topic.endswith("status"):
            self._obey_viewer(self.viewer.receive(message, self.now))

    def _obey_device(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._note(effect)
            if isinstance(effect, Started):
                if self.random.random() < 0.8:
                    self._obey_device(
                        self.device.answered(
                            effect.key,
                            sdp=SDP,
                            ice_servers=(LENT,),
                            clock=MEDIA_CLOCK,
                            now=self.now,
                        )
                    )
            elif isinstance(effect, PairRequested):
                reply: Paired | Error = Error(n=0, code="unauthorized", re=effect.re)
                if self.random.random() < 0.5:
                    reply = Paired(re=effect.re, mac=PROOF, rights=("view",))
                self._obey_device(self.device.reply_to_pair(effect.key, effect.seal_key, reply))

    def _obey_viewer(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            self._note(effect)
            if isinstance(effect, Answered):
                self.connected += 1
                self._obey_viewer(self.viewer.connected(effect.key, self.now))
                for key in self.device.sessions:
                    if key.session == effect.key.session:
                        self._obey_device(self.device.connected(key, self.now))
            elif isinstance(effect, Renamed):
                self.offered.append(effect.new)

    def _note(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.in_flight.append(
                Inbound(topic=effect.topic, payload=effect.payload, retained=effect.retain)
            )
        elif isinstance(effect, Reject | Ended):
            self.refused[effect.code] += 1

    def _key(self) -> SigningKey:
        return SigningKey(self.random.randbytes(32))

    # policies

    def _authorize(self, viewer: str, key: str, offer: Offer) -> frozenset[str] | Denial:
        return self._viewers.authorize(viewer, key, offer.grant)

    def _vouch(self, device: str, key: str, status: Status) -> Denial | None:
        try:
            found = read_certificate(
                status.certificate, owner=self.owner.public, namespace=NAMESPACE
            )
        except DocumentRefused as error:
            return Denial(code="unknown-key", text=error.text)
        if (found.name, found.key) == (device, key):
            return None
        return Denial(code="unknown-key", text="the certificate is somebody else's")
