"""The owner's state on its way to the running broker, which keeps it for everybody.

It must not know what the state says.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.broker import BrokerAddress, BrokerSettings, Scheme
from mqcam.errors import BrokerError, BrokerRefused
from mqcam.protocol.topics import CLIENT_ID_BYTES, Namespace, new_client_id
from mqcam.transport import Outgoing

from mqcam_broker.folder.names import OWNER
from mqcam_broker.mosquitto.process import first_listener, running_broker
from mqcam_broker.owner.decree import read_payload

if TYPE_CHECKING:
    from mqcam_broker.folder.directory import BrokerDirectory

CONNECT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Whether the broker has confirmed the state; else ``problem``, empty if it does not run."""

    is_done: bool
    problem: str = ""


def publish_state(directory: BrokerDirectory) -> Publication:
    """Publish the stored state, retained, and wait for the broker's word within 10 s.

    No lock is held meanwhile, so that a broker that hangs stops nobody.
    """
    decisions = directory.read_decisions()
    if not decisions.existing and running_broker(directory) is None:
        return Publication(is_done=False)
    topic = Namespace(decisions.namespace).owner_state()
    settings = owner_settings(directory)
    published = b""
    try:
        # Another command may have changed and published it while we did: ours came last and is old.
        while published != (payload := read_payload(directory)):
            message = Outgoing(topic=topic, payload=payload, retain=True, ttl_s=math.inf)
            asyncio.run(_publish(settings, message))
            published = payload
    except BrokerRefused:
        problem = f"it runs with other passwords than those in {directory.path}: start it again"
        if decisions.existing:
            problem = f"it does not let {decisions.owner_user} in: has it what 'export' prints?"
        return Publication(is_done=False, problem=problem)
    except BrokerError as error:
        return Publication(is_done=False, problem=str(error))
    except TimeoutError:
        problem = f"the broker confirmed nothing within {DELIVERY_TIMEOUT_S:g} s"
        return Publication(is_done=False, problem=problem)
    return Publication(is_done=True)


def owner_settings(directory: BrokerDirectory) -> BrokerSettings:
    """Return how this machine itself reaches the broker's first listener as its owner."""
    decisions = directory.read_decisions()
    if decisions.existing:
        addresses = tuple(BrokerAddress.parse(url) for url in decisions.addresses)
    else:
        listener = first_listener(directory.configuration)
        host = listener.reachable_host
        addresses = (BrokerAddress(scheme=Scheme.MQTTS, host=host, port=listener.port),)
    return BrokerSettings(
        addresses=addresses,
        username=decisions.owner_user,
        password=directory.read_owner_password(),
        ca_pem=directory.read_authority(),
        server_name=directory.fixed_name() or "" if decisions.existing else directory.server_name(),
    )


async def _publish(settings: BrokerSettings, message: Outgoing) -> None:
    # Only here: it loads an MQTT library, which most commands of the owner do without.
    from mqcam.mqtt import MqttSession  # noqa: PLC0415

    session = MqttSession(
        settings,
        client_id=new_client_id(OWNER, secrets.token_bytes(CLIENT_ID_BYTES)),
        receive=lambda _message: None,
        clean_start=True,
        session_expiry_s=0,
    )
    running = asyncio.create_task(session.run(), name="owner's state")
    try:
        await session.wait_connected(CONNECT_TIMEOUT_S)
        async with asyncio.timeout(DELIVERY_TIMEOUT_S):
            await session.send(message)
    finally:
        await session.stop()
        await running
