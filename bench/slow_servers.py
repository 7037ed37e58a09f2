"""What a STUN server that never answers, or a TURN server that answers late, costs a viewer.

Each case on both ends, compared with none in the same run. It must not know how figures are shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.stun_server import StunServer, allocated, silent, stun_server
from mqcam.ice import IceSettings
from mqcam.servers import IceServer

from bench.figures import Figure
from bench.joins import join_ours, join_stock
from bench.stage import stock_camera

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioice.stun import Message

    from bench.stage import Stage

ROUND_TRIP_S = 1.6
JOINS_PER_RUN = 4
HELPED = "helped"
EXTRA_MS = 20.0
RELAYED = ("192.0.2.7", 4000)  # leads nowhere: the path is direct
CASES = {
    "a STUN server that never answers": ("stun",),
    "a TURN server 0.8 s away": ("turn",),
    "both": ("stun", "turn"),
}
ACCOUNT = {"username": "u", "credential": "p"}


async def measure(stage: Stage, runs: int) -> list[Figure]:
    """Join a camera without servers and one with each case by turns; stock, which waits, once."""
    figures = []
    async with servers() as urls:
        stock_alone = await _stock([])
        for name, kinds in CASES.items():
            chosen = [urls[kind] for kind in kinds]
            stock = await _stock(chosen)
            figures.append(
                Figure(
                    name=f"watch() -> first frame, more with {name}",
                    unit="ms",
                    ours=tuple(await _more(stage, chosen, runs)),
                    stock=(stock - stock_alone,),
                    limit=EXTRA_MS,
                )
            )
    return figures


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[dict[str, str]]:
    """Run both servers inside the block."""
    answer = allocated(RELAYED)
    late: list[StunServer] = []

    def reply(request: Message, address: tuple[str, int]) -> bytes | None:
        asyncio.get_running_loop().call_later(
            ROUND_TRIP_S, late[0].send, answer(request, address), address
        )
        return None

    async with stun_server(silent) as dead, stun_server(reply) as slow:
        late.append(slow)
        yield {"stun": f"stun:127.0.0.1:{dead.port}", "turn": f"turn:127.0.0.1:{slow.port}"}


async def _more(stage: Stage, urls: list[str], runs: int) -> list[float]:
    """Return what each join with servers took more than the median of those without."""
    with tempfile.TemporaryDirectory(prefix="mqcam-bench-") as folder:
        password = Path(folder) / "password"
        password.write_text(ACCOUNT["credential"])
        password.chmod(0o600)
        account = f"username: {ACCOUNT['username']}, credential_file: '{password}'"
        ice = f"servers: [{{urls: [{', '.join(repr(url) for url in urls)}], {account}}}]"
        settings = IceSettings(loopback=True, servers=(IceServer(urls=tuple(urls), **ACCOUNT),))
        alone, helped = [], []
        with stage.agent() as plain, stage.agent(name=HELPED, ice=ice) as agent:
            for _ in range(runs * JOINS_PER_RUN + 1):
                await plain.until(lambda status: not status["layers"])
                alone.append((await join_ours(stage.credentials)).watch_ms)
                await agent.until(lambda status: not status["layers"])
                join = await join_ours(stage.credentials, settings, camera=HELPED)
                helped.append(join.watch_ms)
        base = statistics.median(alone[1:])  # the first one loads the program's parts
        return [each - base for each in helped[1:]]


async def _stock(urls: list[str]) -> float:
    described = [{"urls": url, **(ACCOUNT if url.startswith("turn") else {})} for url in urls]
    async with stock_camera(servers=described) as camera, camera.playing():
        return (await join_stock(camera.path, described)).watch_ms
