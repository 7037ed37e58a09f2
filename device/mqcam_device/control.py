"""The agent's control socket: one line of JSON asks, one line of JSON answers.

It must not know what the verbs do: the agent hands them over. Who may ask is the file system's
matter: the socket is 0660, group ``mqcam`` where that group exists.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import logging
import select
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mqcam.errors import ControlError, MqcamError
from mqcam.log import fields

from mqcam_device.listening import GROUP, ListeningPlace

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

logger = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], Coroutine[Any, Any, Mapping[str, Any]]]
"""Takes the request's ``args``, returns the reply's ``result``; may raise MqcamError."""

LOOK_S = 0.25
"""How often an asker who waits long is looked after: what he asked for holds up others."""

MAX_REPLY_BYTES = 6 * 1024 * 1024
"""A picture of 4 MiB, the most that the capture child can hand over, as base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLimits:
    """What one asker, and all together, may cost; a verb in ``patient_s`` has its own deadline."""

    request_bytes: int = 16 * 1024
    clients: int = 8
    read_s: float = 2.0
    answer_s: float = 10.0
    patient_s: Mapping[str, float] = field(default_factory=dict)


class ControlServer:
    """Answers on ``<runtime_dir>/<name>.sock`` from ``start`` to ``stop``."""

    def __init__(
        self,
        name: str,
        verbs: Mapping[str, Handler],
        *,
        runtime_dir: Path,
        limits: ControlLimits | None = None,
    ) -> None:
        self.path = socket_path(name, runtime_dir)
        self._name = name
        self._verbs = dict(verbs)
        self._limits = limits or ControlLimits()
        self._place: ListeningPlace | None = None
        self._acceptor: asyncio.Task[None] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Claim the name and listen; raise ControlError, also if another agent has the name."""
        self._place = ListeningPlace(self.path, self._name)
        self._acceptor = asyncio.create_task(
            self._accept(self._place.listener), name=f"control {self._name}"
        )

    async def stop(self) -> None:
        """Stop listening, end what is still being answered and free the name."""
        tasks = {*self._clients, *([self._acceptor] if self._acceptor else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._place is not None:
            self._place.release()
        self._acceptor = self._place = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                logger.warning("control socket", extra=fields(reason=error.strerror))
                await asyncio.sleep(1)  # out of file descriptors: asking again at once spins
                continue
            connection.setblocking(False)
            if len(self._clients) >= self._limits.clients:
                with connection, contextlib.suppress(OSError):
                    connection.send(_failure("busy", "too many at once ask this agent"))
                continue
            task = asyncio.create_task(self._serve(connection), name=f"control {self._name} client")
            self._clients.add(task)
            task.add_done_callback(functools.partial(self._hang_up, connection))

    def _hang_up(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        # Not in the task itself: one that is cancelled before its first step runs no `finally`.
        connection.close()
        self._clients.discard(task)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.read_s):
                line = await self._read_line(connection)
            reply = await self._answer(line, connection)
            async with asyncio.timeout(self._limits.read_s):
                await loop.sock_sendall(connection, reply)
        except (OSError, TimeoutError, _AskerLeftError):
            logger.debug("control client went away or asked nothing")

    async def _read_line(self, connection: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        line = b""
        while b"\n" not in line and len(line) <= self._limits.request_bytes:
            piece = await loop.sock_recv(connection, 4096)
            if not piece:
                break
            line += piece
        return line.partition(b"\n")[0]

    async def _answer(self, line: bytes, connection: socket.socket) -> bytes:
        verb, answer_s = "?", self._limits.answer_s
        try:
            verb, arguments = _parse(line, self._limits.request_bytes)
            handler = self._handler(verb)
            answer_s = self._limits.patient_s.get(verb, answer_s)
            async with asyncio.timeout(answer_s):
                if verb in self._limits.patient_s:
                    result = await _while_asked(handler(arguments), connection)
                else:
                    result = await handler(arguments)
            return json.dumps({"ok": True, "result": result}).encode() + b"\n"
        except _AskerLeftError:
            raise
        except TimeoutError:
            return _failure("timeout", f"no answer within {answer_s:g} s")
        except MqcamError as error:
            return _failure(str(getattr(error, "code", "failed")), str(error))
        except Exception:
            # A mistake in a verb must not end the agent, which is busy showing video.
            logger.exception("control verb failed", extra=fields(verb=verb))
            return _failure("internal", "the agent made a mistake; its log tells more")

    def _handler(self, verb: str) -> Handler:
        if verb not in self._verbs:
            known = ", ".join(sorted(self._verbs))
            raise ControlError("unknown-verb", f"this agent only knows: {known}")
        return self._verbs[verb]


class _AskerLeftError(Exception):
    """Whoever asked has hung up."""


async def _while_asked(
    answer: Coroutine[Any, Any, Mapping[str, Any]], connection: socket.socket
) -> Mapping[str, Any]:
    """Return an answer that takes long; raise _AskerLeftError when nobody waits for it.

    One who has only finished speaking (``shutdown``) still listens.
    """
    look = select.poll()
    look.register(connection, 0)  # of itself it tells POLLHUP: both directions are closed
    task = asyncio.create_task(answer, name="control answer")
    try:
        while not task.done():
            if look.poll(0):
                raise _AskerLeftError
            await asyncio.wait({task}, timeout=LOOK_S)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def socket_path(name: str, runtime_dir: Path) -> Path:
    """Return where the agent ``name`` listens."""
    return runtime_dir / f"{name}.sock"


def running(runtime_dir: Path) -> tuple[str, ...]:
    """Return the names of the agents that have a socket in ``runtime_dir``, running or crashed."""
    with contextlib.suppress(OSError):
        return tuple(sorted(each.stem for each in runtime_dir.glob("*.sock")))
    return ()


def ask(
    name: str,
    verb: str,
    runtime_dir: Path,
    args: Mapping[str, Any] | None = None,
    *,
    timeout_s: float = 15.0,
) -> dict[str, Any]:
    """Ask the running agent ``name``; raise ControlError with a sentence when it cannot answer."""
    path = socket_path(name, runtime_dir)
    request = json.dumps({"verb": verb, "args": dict(args or {})}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            with contextlib.suppress(BrokenPipeError):  # it may say why before it hangs up
                connection.sendall(request)
            reply = _read_reply(connection, time.monotonic() + timeout_s)
    except OSError as error:
        raise _cannot_ask(name, path, error) from error
    try:
        answer = json.loads(reply)
        if answer["ok"] is True:
            return dict(answer["result"])
        failure = ControlError(str(answer["error"]["code"]), str(answer["error"]["text"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ControlError("malformed", f"the agent '{name}' broke off its answer") from error
    raise failure


def _read_reply(connection: socket.socket, deadline: float) -> bytes:
    reply = b""
    while not reply.endswith(b"\n") and len(reply) <= MAX_REPLY_BYTES:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(65536)
        if not piece:
            break
        reply += piece
    return reply


def _parse(line: bytes, limit_bytes: int) -> tuple[str, dict[str, Any]]:
    if len(line) > limit_bytes:
        raise ControlError("too-big", f"a request has at most {limit_bytes} bytes")
    with contextlib.suppress(ValueError, RecursionError):
        request = json.loads(line)
        if isinstance(request, dict):
            verb, arguments = request.get("verb"), request.get("args", {})
            if isinstance(verb, str) and isinstance(arguments, dict):
                return verb, arguments
    raise ControlError("malformed", 'a request is one line: {"verb": "status", "args": {}}')


def _failure(code: str, text: str) -> bytes:
    return json.dumps({"ok": False, "error": {"code": code, "text": text}}).encode() + b"\n"


def _cannot_ask(name: str, path: Path, error: OSError) -> ControlError:
    if isinstance(error, PermissionError):
        text = f"this user may not ask the agent '{name}'; add it to the group '{GROUP}'"
        return ControlError("no-permission", f"{text} (sudo usermod -aG {GROUP} $USER) or use sudo")
    if isinstance(error, TimeoutError):
        return ControlError("timeout", f"the agent '{name}' does not answer; its log may say why")
    if error.errno in {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}:
        text = f"no agent named '{name}' is running here (nobody listens on {path})"
        return ControlError("not-running", f"{text}; start it with `mqcam-device run`")
    return ControlError("unreachable", f"cannot ask the agent '{name}': {error.strerror or error}")
