"""Run what blocks on a socket in a thread that ends with the socket.

It must not know what is run: it is the HTTP upgrade of a WebSocket inside the MQTT library.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

END_S = 1.0


async def run_blocking(sock: socket.socket, call: Callable[[], None]) -> None:
    """Run ``call`` in a thread; being cancelled shuts ``sock`` down, which wakes the thread.

    Raises what ``call`` raises.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        failure: Exception | None = None
        try:
            call()
        except Exception as error:  # noqa: BLE001 - raised again in the loop
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, failure)

    threading.Thread(target=work, name="mqcam-upgrade", daemon=True).start()
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        await asyncio.wait({done}, timeout=END_S)
        if done.done():
            done.exception()  # mark it as seen
        raise
