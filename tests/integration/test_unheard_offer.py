"""An offer that comes before its camera: broker, session, driver and the rules together."""

from __future__ import annotations

import asyncio
import time

from mqcam.driver import Driver
from support.endpoints import DEADLINES, TOPICS, make_viewer
from support.mosquitto import running_mosquitto
from support.mqtt_sessions import PATIENCE_S, settings, watched


async def test_a_camera_that_comes_a_moment_late_gets_the_offer_soon() -> None:
    """The broker says that nobody listened; the next repetition of the protocol is 3 s away."""
    endpoint = make_viewer()
    unheard = asyncio.Event()

    def undelivered(topic: str, now: float) -> None:
        endpoint.undelivered(topic, now)
        unheard.set()

    driver = Driver(endpoint, handle=lambda _: None, undelivered=undelivered)
    async with running_mosquitto() as broker, watched(settings(broker.url), "viewer") as viewer:
        driver.bind(viewer.session)
        offered_at = time.monotonic()
        driver.apply(endpoint.offer("cam", sdp="v=0", now=offered_at)[1])
        async with asyncio.timeout(PATIENCE_S):
            await unheard.wait()
        mine = TOPICS.device_filter("cam")
        async with watched(settings(broker.url), "camera", topics=[mine]) as camera:
            await camera.until_received(1)
            reached_s = time.monotonic() - offered_at
        driver.close()

    assert reached_s < DEADLINES.offer_resend_s[0] / 2
