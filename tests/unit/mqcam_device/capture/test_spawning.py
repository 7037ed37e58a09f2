from __future__ import annotations

import asyncio
from typing import cast

import pytest
from mqcam_device.capture.fuse import HUNG
from mqcam_device.capture.link import Link
from mqcam_device.capture.spawning import Spawned, explain_exit


class Undead:
    """A process that waits for a driver: not even SIGKILL ends it."""

    pid = 1
    returncode = None

    def __init__(self) -> None:
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1

    async def wait(self) -> int:
        await asyncio.Event().wait()
        return 0


async def test_a_process_that_cannot_be_killed_is_left_with_a_sentence() -> None:
    process = Undead()
    link = Link(lambda _message: None, lambda: None)
    link.connection_lost(None)
    child = Spawned(process=cast("asyncio.subprocess.Process", process), link=link)
    async with asyncio.timeout(5):
        why = await child.end(grace_s=0.01, kill_s=0.01)
    assert process.kills == 1
    assert why == "the camera's driver does not let go of its process; restart the device"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (-11, "the capture child was killed by signal 11"),
        (3, "the capture child ended with exit code 3"),
        (HUNG, "the camera hung and could not be stopped"),
    ],
)
def test_an_exit_code_is_explained(code: int, why: str) -> None:
    assert explain_exit(code) == why
