"""Build an agent from its configuration: the one place that knows every part.

It must not hold rules: it only chooses, connects and starts.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import signal
import time
from typing import TYPE_CHECKING

from mqcam.driver import outgoing
from mqcam.errors import CredentialsError
from mqcam.files import read_private, reason, write_atomically
from mqcam.ice import IceSettings
from mqcam.mqtt import MqttSession, Subscription
from mqcam.ownerlink import OwnerLink
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import SessionKey
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id

from mqcam_device import folders
from mqcam_device.agent import Agent
from mqcam_device.briefing import source_settings
from mqcam_device.cameradesk import CameraDesk
from mqcam_device.capture.process import CaptureProcess
from mqcam_device.control import ControlLimits, ControlServer
from mqcam_device.distribution import Distribution
from mqcam_device.hub import Hub
from mqcam_device.lending import Lender
from mqcam_device.media import SourceState
from mqcam_device.notify import Notifier
from mqcam_device.reception import Reception
from mqcam_device.selftest.borrowed import PATIENCE_S, Loan
from mqcam_device.servers import read_servers
from mqcam_device.trust import Trust
from mqcam_device.wallclock import believable_second, is_synchronised

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from mqcam.broker import BrokerState
    from mqcam.credentials import Credentials
    from mqcam.protocol.effects import PairRequested
    from mqcam.transport import Incoming

    from mqcam_device.media import AccessUnit, StreamInfo
    from mqcam_device.settings import DeviceSettings

SESSION_EXPIRY_S = 20
"""How long the broker keeps offers for an agent that is away (docs/protocol.md 2)."""

NEVER_RETAINED = 2
"""MQTT 5, section 3.8.3.1: retained messages are not sent; mailboxes have none to send."""

WILL_DELAY_S = 5
"""A blip of the broker does not grey the camera."""

CLIENT_ID_FILE = "{name}.client-id"
PLACE_FILE = "{name}.broker"


class App:
    """A built agent with its broker session and its control socket, ready to run."""

    def __init__(
        self,
        settings: DeviceSettings,
        credentials: Credentials,
        *,
        deadlines: Deadlines | None = None,
    ) -> None:
        timers = deadlines or Deadlines()
        state_dir = folders.state_folder(settings.state_dir)
        self._source = source_settings(settings, label=credentials.name)
        capture = CaptureProcess(
            self._source,
            on_unit=self._deliver,
            on_state=self._source_changed,
        )
        self._hub = Hub(
            request_keyframe=capture.request_keyframe,
            set_active=capture.set_active,
            clock=time.monotonic,
            call_later=_call_later,
            on_fault=self._egress_failed,
            on_overdrawn=self._demote,
            keyframe_interval_s=timers.keyframe_interval_s,
        )
        self._distribution = Distribution(
            self._hub,
            set_bitrate=capture.set_bitrate,
            call_later=_call_later,
            start_bps=settings.video.bitrate_bps,
            ceiling_bps=settings.video.max_bitrate_bps,
            uplink_max_bps=settings.sending.uplink_max_bps,
        )
        self._trust = Trust(
            credentials, folder=state_dir, on_owner_state=lambda _state: self.agent.judge_viewers()
        )
        endpoint = DeviceEndpoint(
            namespace=credentials.namespace,
            name=credentials.name,
            boot=secrets.token_urlsafe(16),
            envelope=self._trust.envelope,
            deadlines=timers,
            max_viewers=settings.max_viewers,
            random_bytes=secrets.token_bytes,
            authorize=self._trust.authorize,
            key=self._trust.identity.public,
            seal_key=self._trust.envelope.seal_key,
            certificate=self._trust.certificate,
            proven=self._trust.authorized.names,
            allow_loopback=settings.ice.loopback,
        )
        self.agent = Agent(
            endpoint=endpoint,
            hub=self._hub,
            capture=capture,
            distribution=self._distribution,
            ice=ice_settings(settings, ca_pem=credentials.ca),
            lender=Lender(
                read_servers(settings, credentials),
                device=credentials.name,
                second=believable_second,
            ),
            on_pair=self._pair_requested,
            deadlines=timers,
        )
        self._reception = Reception(
            credentials,
            key=self._trust.identity.public,
            authorized=self._trust.authorized,
            send=self.agent.reply_to_visitors,
            judge=self.agent.judge_viewers,
            sessions=lambda: endpoint.sessions,
            random_bytes=secrets.token_bytes,
            clock=time.monotonic,
        )
        self._loan = Loan(
            self._hub,
            capture,
            self._source,
            watchers=lambda: len(self.agent.viewers()),
            bitrate_bps=lambda: self._distribution.bitrate_bps,
        )
        self._desk = CameraDesk(capture)
        self._notifier = Notifier()
        self._owner = OwnerLink(
            self._trust.owner,
            credentials.broker_settings(),
            readdress=lambda where: self._session.readdress(where),  # noqa: PLW0108 - made below
            probe=lambda where, tell: self._session.prober.start(where, tell),  # noqa: PLW0108
            kept=state_dir / PLACE_FILE.format(name=credentials.name),
        )
        self._session = self._broker_session(settings, credentials, endpoint)
        self.agent.bind(self._session)
        self._control = ControlServer(
            credentials.name,
            {
                "status": self._status,
                "viewers": self._viewers,
                **self._reception.verbs,
                **self._loan.verbs,
                **self._desk.verbs,
            },
            runtime_dir=folders.runtime_folder(settings.runtime_dir),
            limits=ControlLimits(patient_s={"selftest": PATIENCE_S}),
        )

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP; tells systemd how it goes."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        # SIGHUP: the terminal was closed. Under nohup it is ignored, and stays so.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop.set)
        # What is there by now stays: looking through it again and again costs all viewers time.
        gc.collect()
        gc.freeze()
        async with self._control:
            watchdog = asyncio.create_task(self._notifier.keep_alive(), name="watchdog")
            self._notifier.ready()
            try:
                await self.agent.run(stop)
            finally:
                self._owner.close()
                self._notifier.stopping()
                watchdog.cancel()
                await asyncio.gather(watchdog, self._trust.close(), return_exceptions=True)

    def _broker_session(
        self, settings: DeviceSettings, credentials: Credentials, endpoint: DeviceEndpoint
    ) -> MqttSession:
        topics = Namespace(credentials.namespace)
        return MqttSession(
            self._owner.settings,
            client_id=client_id(folders.state_folder(settings.state_dir), credentials.name),
            receive=self._receive,
            clean_start=False,
            session_expiry_s=SESSION_EXPIRY_S,
            subscriptions=(
                Subscription(
                    topic=topics.device_filter(credentials.name), retain_handling=NEVER_RETAINED
                ),
                Subscription(topic=topics.status(credentials.name)),
                *self._owner.subscriptions,
            ),
            birth=self.agent.birth,
            will=outgoing(endpoint.will()),
            will_delay_s=WILL_DELAY_S,
            on_state=self._broker_changed,
            is_clock_believed=is_synchronised,
        )

    # Capture, hub, broker session, trust and agent know each other only through these.

    def _receive(self, message: Incoming) -> None:
        if not self._owner.takes(message, time.monotonic()):
            self.agent.driver.receive(message)

    def _deliver(self, unit: AccessUnit) -> None:
        self._hub.publish(unit)

    def _source_changed(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        if info is not None:
            self._distribution.note_source(info)
        self._desk.note_source(info)
        self._loan.note_source(info, "" if state is SourceState.RUNNING else text or state.value)
        self.agent.source_changed(state, info, text)

    def _broker_changed(self, state: BrokerState) -> None:
        self._owner.note(state)
        self.agent.broker_changed(state)
        self._notifier.status(self.agent.broker_text)

    def _pair_requested(self, requested: PairRequested) -> None:
        self._reception.request(requested)

    def _egress_failed(self, key: Hashable, _error: Exception) -> None:
        if isinstance(key, SessionKey):
            self.agent.egress_failed(key)

    def _demote(self, key: Hashable) -> None:
        self._distribution.demote(key)

    async def _status(self, _request: dict[str, object]) -> dict[str, object]:
        source = {"kind": self._source.kind, "camera": self._source.camera}
        return {**self.agent.status(), **source, "owner": self._owner.trouble}

    async def _viewers(self, _request: dict[str, object]) -> dict[str, object]:
        return {"viewers": self.agent.viewers(), "allowed": self._reception.allowed()}


def _call_later(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, call)


def ice_settings(settings: DeviceSettings, *, ca_pem: str | None) -> IceSettings:
    """Return which addresses viewers may learn; the servers are lent for each session."""
    return IceSettings(
        ca_pem=ca_pem,
        policy=settings.ice.policy,
        loopback=settings.ice.loopback,
        exclude_interfaces=settings.ice.exclude_interfaces,
    )


def client_id(state_dir: Path, name: str) -> str:
    """Return the agent's MQTT client id, made once and kept, so that queued offers survive.

    It is a secret of a kind: who knows it and has an account can take over the session.
    """
    path = state_dir / CLIENT_ID_FILE.format(name=name)
    try:
        kept = read_private(path).decode("ascii", errors="replace").strip()
    except FileNotFoundError:
        kept = ""
    except OSError as error:
        raise CredentialsError(str(path), reason(error)) from error
    if kept.startswith(f"{name}-"):
        return kept
    made = new_client_id(name, secrets.token_bytes(CLIENT_ID_BYTES))
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.encode("ascii"))
    except OSError as error:
        raise CredentialsError(
            str(path), f"{reason(error)}; name a folder that can be written with 'state_dir'"
        ) from error
    return made
