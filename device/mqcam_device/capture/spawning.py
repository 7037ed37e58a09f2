"""One capture child as a process: started with its socket, ended for certain.

It must not know what it does, nor when it must be replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam_device.capture import wire
from mqcam_device.capture.fuse import HUNG
from mqcam_device.capture.link import Link

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Sequence

PROGRAM: Final = ("-P", "-m", "mqcam_device.capture")
"""What Python is to run; ``-P``: whatever lies in the working directory is no module of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawned:
    """A running child and the agent's end of its socket."""

    process: Process
    link: Link

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    async def end(self, *, grace_s: float, kill_s: float) -> str:
        """Ask the child to end, make it end after ``grace_s``; returns how it ended.

        A process that waits for a driver cannot even be killed: after ``kill_s`` it is left alone.
        """
        process = self.process
        self.link.send(wire.Stop())
        try:
            if grace_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await process.wait()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            self.link.close()
        await self.link.lost.wait()
        try:
            async with asyncio.timeout(kill_s):
                return explain_exit(await process.wait())
        except TimeoutError:
            return "the camera's driver does not let go of its process; restart the device"


async def spawn(
    program: Sequence[str],
    on_message: Callable[[wire.Message], None],
    on_lost: Callable[[], None],
) -> Spawned:
    """Start a child; raises OSError. The callbacks are those of its `Link`."""
    ours, theirs = socket.socketpair()
    with theirs:
        process: Process | None = None
        try:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                # Heaps per thread would cost the child several MB and gain it nothing.
                env={"MALLOC_ARENA_MAX": "1", **os.environ},
            )
            loop = asyncio.get_running_loop()
            _, link = await loop.create_unix_connection(
                lambda: Link(on_message, on_lost), sock=ours
            )
        except BaseException:
            ours.close()
            if process is not None:
                process.kill()
                await process.wait()
            raise
    return Spawned(process=process, link=link)


def explain_exit(code: int) -> str:
    """Return what an exit code says, for a person."""
    if code == HUNG:
        return "the camera hung and could not be stopped"
    if code < 0:
        return f"the capture child was killed by signal {-code}"
    return f"the capture child ended with exit code {code}"
