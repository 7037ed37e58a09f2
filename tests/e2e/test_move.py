"""The owner moves the broker while somebody watches: both ends follow and miss no picture."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from mqcam_broker.mosquitto.process import Listener, find_mosquitto, is_ready
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker, free_port
from support.polling import until
from support.watching import EVERY, Recorder, gaps, viewer

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 15.0


@contextlib.contextmanager
def twin(broker: ShippedBroker, port: int) -> Iterator[None]:
    """Run the same broker at another port, as after a backup was restored elsewhere."""
    state = broker.root / "twin"
    state.mkdir()
    state.chmod(0o777)
    old = str(broker.directory.state)
    text = broker.directory.configuration.read_text()
    text = text.replace(f"listener {broker.port}", f"listener {port}").replace(old, str(state))
    configuration = broker.root / "twin.conf"
    configuration.write_text(text)
    with (broker.root / "twin.log").open("wb") as log:
        process = subprocess.Popen(
            [find_mosquitto(), "-c", str(configuration)], stdout=log, stderr=log
        )
    try:
        listener = Listener(port=port, bind="127.0.0.1")
        until(
            lambda: is_ready(listener, anchor=broker.directory.ca_certificate),
            timeout_s=DEADLINE_S,
        )
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


async def test_camera_and_viewer_follow_a_moved_broker_and_the_video_never_notices() -> None:
    port = free_port()
    with ShippedBroker() as broker, RunningAgent(broker, settings=SMALL) as camera:
        async with (
            viewer(broker) as client,
            client.watch(camera.name, max_waiting=EVERY) as stream,
        ):
            recorder = Recorder(stream)
            await recorder.until(lambda seen: len(seen) >= 30, DEADLINE_S)
            with twin(broker, port):
                broker.command("move", f"127.0.0.1:{port}")
                await camera.until(lambda status: f":{port}" in status["broker"])
                assert client.brokers == (f"mqtts://127.0.0.1:{port}",)
                before = len(recorder.numbers)
                broker.stop()
                await recorder.until(lambda seen: len(seen) >= before + 60, DEADLINE_S)
                await client.cameras()
                await recorder.stop()
    assert gaps(recorder.numbers) == []


def test_a_camera_that_starts_after_the_move_finds_the_new_broker_by_its_memory() -> None:
    port = free_port()
    with (
        ShippedBroker() as broker,
        RunningAgent(broker, settings=SMALL) as camera,
        twin(broker, port),
    ):
        broker.command("move", f"127.0.0.1:{port}")
        until(lambda: f":{port}" in camera.ask("status")["broker"], timeout_s=DEADLINE_S)
        broker.stop()
        camera.stop()
        camera.start()
        assert f":{port}" in camera.ask("status")["broker"]
        assert (camera.folder / f"{camera.name}.broker").exists()
