"""A viewer that watches through a lie, and what came of it.

It must not know the lies. Timers run five times as fast as outside tests.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import SessionError
from mqcam.protocol.deadlines import Deadlines
from mqcam_viewer import Client
from support.liar import SEEN_TIMEOUT_S
from support.lies import status_of
from support.polling import until
from support.watching import LOOPBACK, next_frame

if TYPE_CHECKING:
    from support.agent import RunningAgent
    from support.door import Packet
    from support.liar import Liar, Lie

SIGNED = b"\x01"
QUICK = Deadlines().scaled(0.2)
STATUS_S = 3.0
OFFER_S = QUICK.offer_give_up_s
SLACK_S = 1.5
ANSWER_MIN_BYTES = 1000
"""An answer holds a description; everything else that a camera says is shorter."""


def quick(liar: Liar, name: str = "laptop") -> Client:
    """Return a viewer without patience, to be entered."""
    return Client(liar.credentials("viewer", name), ice=LOOPBACK, deadlines=QUICK)


async def sees(client: Client, camera: RunningAgent) -> None:
    """Watch the true camera for a picture."""
    async with client.watch(camera.name) as stream:
        frame = await next_frame(stream)
    assert (frame.width, frame.height) == (640, 360)


async def refusal_of(
    liar: Liar, camera: RunningAgent, lie: Lie, *, within_s: float
) -> SessionError:
    """Watch through a lie; return why that failed, after the truth was watched with the same."""
    async with quick(liar) as client:
        error = await refused(client, liar, camera, lie, within_s=within_s)
        await sees(client, camera)
    return error


async def refused(
    client: Client, liar: Liar, camera: RunningAgent, lie: Lie, *, within_s: float
) -> SessionError:
    """Return why a camera cannot be watched through a lie, in time, and without a session."""
    loop = asyncio.get_running_loop()
    with liar.lying(lie):
        before, began_at = sessions_of(camera), loop.time()
        with pytest.raises(SessionError) as refusal:
            async with client.watch(camera.name):
                pass
        assert loop.time() - began_at < within_s + SLACK_S
        assert {each for each, connected_s in sessions_of(camera) if connected_s is not None} <= {
            each for each, _ in before
        }
    return refusal.value


def sessions_of(camera: RunningAgent) -> set[tuple[str, Any]]:
    """Return the sessions that a camera has, and whether each is connected."""
    viewers = camera.ask("viewers")["viewers"]
    return {(each["session"], each["connected_s"]) for each in viewers}


def answered(liar: Liar, camera: RunningAgent) -> set[str]:
    """Return the topics of the sessions that a camera has answered so far."""
    return {
        packet.topic
        for packet in liar.written
        if packet.who == camera.name and "/v/" in packet.topic
        if len(packet.payload) > ANSWER_MIN_BYTES
    }


def offers(liar: Liar, camera: RunningAgent) -> list[Packet]:
    """Return the offers that viewers have made to a camera so far, as it was to get them."""
    return [
        packet
        for packet in liar.delivered
        if packet.who == camera.name and "/in/" in packet.topic
        if len(packet.payload) > ANSWER_MIN_BYTES
    ]


def last_status(
    liar: Liar, camera: RunningAgent, *, state: str = "online", after: Packet | None = None
) -> Packet:
    """Return the last status that a camera has signed, once it says ``state`` in a later start."""
    topic = f"mqcam/v1/d/{camera.name}/status"
    boot = None if after is None else status_of(after)["boot"]

    def found() -> list[Packet]:
        signed = [one for one in liar.written if one.topic == topic and one.payload[:1] == SIGNED]
        is_said = signed and status_of(signed[-1])["state"] == state
        return signed[-1:] if is_said and status_of(signed[-1])["boot"] != boot else []

    until(lambda: bool(found()), timeout_s=SEEN_TIMEOUT_S)
    return found()[0]
