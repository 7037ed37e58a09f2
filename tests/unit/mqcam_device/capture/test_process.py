from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from mqcam_device.capture import spawning
from mqcam_device.capture.link import Link
from mqcam_device.capture.process import MOST_UNDEAD, CaptureProcess
from mqcam_device.capture.spawning import Spawned
from mqcam_device.capture.timings import CaptureTimings
from mqcam_device.media import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest
    from mqcam_device.capture import wire
    from mqcam_device.media import SourceState, StreamInfo

HASTY = CaptureTimings(stop_s=0.0, kill_s=0.01, respawn_s=(0.01,))


class Undead:
    """A process that waits for a driver: not even SIGKILL ends it, before the driver lets go."""

    pid = 1

    def __init__(self) -> None:
        self.returncode: int | None = None

    def kill(self) -> None:
        pass

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0


async def test_children_that_cannot_be_killed_do_not_become_more_and_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Undead] = []
    texts: asyncio.Queue[str] = asyncio.Queue()

    async def spawn(
        program: Sequence[str],
        on_message: Callable[[wire.Message], None],
        on_lost: Callable[[], None],
    ) -> Spawned:
        del program
        link = Link(on_message, on_lost)
        link.connection_lost(None)
        started.append(Undead())
        return Spawned(process=cast("asyncio.subprocess.Process", started[-1]), link=link)

    def note(_state: SourceState, _info: StreamInfo | None, text: str) -> None:
        texts.put_nowait(text)

    monkeypatch.setattr(spawning, "spawn", spawn)
    process = CaptureProcess(
        SourceSettings(), on_unit=lambda _unit: None, on_state=note, timings=HASTY
    )
    task = asyncio.create_task(process.run(), name="capture")
    async with asyncio.timeout(5):
        while "cannot be started" not in (text := await texts.get()):
            assert len(started) <= MOST_UNDEAD
        assert text.endswith("3 earlier ones hang in the camera's driver; restart the device")
        assert len(started) == MOST_UNDEAD
        started[0].returncode = -9  # the driver let go
        while len(started) == MOST_UNDEAD:
            await texts.get()
        await process.stop()
        await task
