"""A running agent is asked over its socket; whatever is sent to it, it answers or hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import socket
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.errors import ControlError, MediaError
from mqcam_device.control import LOOK_S, ControlLimits, ControlServer, ask, running, socket_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LIMITS = ControlLimits(request_bytes=1000, clients=2, read_s=0.3, answer_s=0.3)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with a path that is short enough for a socket, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="mqcam-") as name:
        yield Path(name)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def status(_args: dict[str, Any]) -> dict[str, Any]:
    return {"state": "online"}


async def echo(args: dict[str, Any]) -> dict[str, Any]:
    return args


async def fail(_args: dict[str, Any]) -> dict[str, Any]:
    raise MediaError("the camera is asleep")


async def err(_args: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError


async def hang(_args: dict[str, Any]) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def unspeakable(_args: dict[str, Any]) -> dict[str, Any]:
    return {"at": object()}


VERBS = {
    "status": status,
    "echo": echo,
    "fail": fail,
    "err": err,
    "hang": hang,
    "unspeakable": unspeakable,
}


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[ControlServer]:
    async with ControlServer("front", VERBS, runtime_dir=folder, limits=LIMITS) as server:
        yield server


async def asked(server: ControlServer, verb: str, **args: object) -> dict[str, Any]:
    """Ask as the command line does, from another thread than the agent's."""
    return await asyncio.to_thread(ask, "front", verb, server.path.parent, args, timeout_s=5)


async def raw(server: ControlServer, content: bytes, *, ends: bool = False) -> dict[str, Any]:
    """Send bytes and return the reply, {} if the agent hung up without one."""
    reader, writer = await asyncio.open_unix_connection(server.path)
    try:
        async with asyncio.timeout(5):
            writer.write(content)
            if ends:
                writer.write_eof()
            line = await reader.readline()
    except ConnectionError:
        line = b""
    finally:
        writer.close()
    return dict(json.loads(line)) if line else {}


async def test_agent_answers_what_it_is_asked(server: ControlServer) -> None:
    assert await asked(server, "status") == {"state": "online"}
    assert await asked(server, "echo", name="anna", n=[1]) == {"name": "anna", "n": [1]}


async def test_what_takes_long_ends_when_its_asker_leaves(folder: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def take_long(_args: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    limits = replace(LIMITS, patient_s={"long": 60.0})
    async with ControlServer("front", {"long": take_long}, runtime_dir=folder, limits=limits):
        _, writer = await asyncio.open_unix_connection(socket_path("front", folder))
        writer.write(b'{"verb": "long"}\n')
        writer.write_eof()  # who has said all that he wants still waits for the answer
        async with asyncio.timeout(5):
            await begun.wait()
            await asyncio.sleep(2 * LOOK_S)
            assert not ended.is_set()
            writer.close()
            await ended.wait()


async def test_several_are_answered_at_once(server: ControlServer) -> None:
    first, second = await asyncio.gather(asked(server, "status"), asked(server, "echo", n=1))
    assert first == {"state": "online"}
    assert second == {"n": 1}


@pytest.mark.parametrize(
    ("verb", "code", "told"),
    [
        ("stauts", "unknown-verb", "only knows: echo, err, fail, hang, status, unspeakable"),
        ("fail", "failed", "the camera is asleep"),
        ("err", "internal", "its log tells more"),
        ("unspeakable", "internal", "its log tells more"),
        ("hang", "timeout", "no answer within 0.3 s"),
    ],
)
async def test_verb_that_fails_is_told_and_the_agent_lives(
    server: ControlServer, verb: str, code: str, told: str
) -> None:
    with pytest.raises(ControlError) as caught:
        await asked(server, verb)
    assert caught.value.code == code
    assert told in caught.value.text
    assert await asked(server, "status") == {"state": "online"}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"status\n",
        b"[]\n",
        b'{"verb": 1}\n',
        b'{"verb": "echo", "args": []}\n',
        b"\xff\xfe\n",
        b"[" * 900 + b"\n",
        b'{"verb": ' + b"9" * 900 + b"}\n",
    ],
)
async def test_malformed_request_is_told(server: ControlServer, line: bytes) -> None:
    assert (await raw(server, line))["error"]["code"] == "malformed"


async def test_request_without_line_end_is_answered_at_the_end_of_its_stream(
    server: ControlServer,
) -> None:
    assert (await raw(server, b'{"verb": "status"}', ends=True))["ok"] is True


async def test_endless_request_is_ended(server: ControlServer) -> None:
    assert (await raw(server, b"x" * 5000)).get("error", {}).get("code") in {"too-big", None}
    assert await asked(server, "status") == {"state": "online"}


async def test_client_that_says_nothing_is_hung_up_on(server: ControlServer) -> None:
    assert await raw(server, b"") == {}


async def test_client_that_goes_away_leaves_no_trace(server: ControlServer) -> None:
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.path))
            client.send(b'{"verb": "status"}\n')
    async with asyncio.timeout(5):
        while True:
            try:
                assert await asked(server, "status") == {"state": "online"}
                break
            except ControlError as error:  # those 20 may still be counted
                assert error.code == "busy"  # noqa: PT017 - nothing else is excused


async def test_too_many_at_once_are_told(server: ControlServer) -> None:
    idle = [await asyncio.open_unix_connection(server.path) for _ in range(LIMITS.clients)]
    with pytest.raises(ControlError, match="too many at once"):
        await asked(server, "status")
    for _, writer in idle:
        writer.close()


async def test_socket_is_for_its_owner_and_the_group(server: ControlServer) -> None:
    state = server.path.stat()
    assert stat.S_ISSOCK(state.st_mode)
    assert stat.S_IMODE(state.st_mode) == 0o660


@pytest.mark.root
async def test_socket_belongs_to_the_group_of_those_who_may_ask(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = grp.struct_group(("mqcam", "x", 4242, []))
    monkeypatch.setattr(grp, "getgrnam", lambda _name: group)
    async with ControlServer("front", VERBS, runtime_dir=folder) as server:
        assert server.path.stat().st_gid == 4242


async def test_stop_removes_the_socket_and_ends_who_is_waiting(folder: Path) -> None:
    begun = asyncio.Event()

    async def wait(args: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        return await hang(args)

    async with ControlServer("front", {"hang": wait}, runtime_dir=folder) as server:
        waiting = asyncio.create_task(raw(server, b'{"verb": "hang"}\n'), name="waiting")
        async with asyncio.timeout(5):
            await begun.wait()
    assert await waiting == {}
    assert running(folder) == ()


@pytest.mark.parametrize("turns", range(6))
async def test_connection_is_closed_whenever_the_stop_comes(folder: Path, turns: int) -> None:
    """A task that is cancelled before its first step once left its connection open."""
    async with ControlServer("front", VERBS, runtime_dir=folder) as server:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.path))
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.stop()
            client.setblocking(False)
            with contextlib.suppress(ConnectionError):  # stopped before it was accepted
                assert client.recv(1) == b""


async def test_stopping_twice_or_unstarted_is_harmless(folder: Path) -> None:
    server = ControlServer("front", VERBS, runtime_dir=folder)
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()


async def test_second_agent_of_the_same_name_is_refused(server: ControlServer) -> None:
    second = ControlServer("front", VERBS, runtime_dir=server.path.parent)
    with pytest.raises(ControlError, match="'front' is already running") as caught:
        await second.start()
    assert caught.value.code == "already-running"
    assert await asked(server, "status") == {"state": "online"}


async def test_agents_of_other_names_share_the_folder(server: ControlServer) -> None:
    async with ControlServer("garden", VERBS, runtime_dir=server.path.parent):
        assert running(server.path.parent) == ("front", "garden")
    assert running(server.path.parent) == ("front",)


@pytest.mark.parametrize("left", ["socket", "file", "link"])
async def test_what_a_crashed_agent_left_is_replaced(folder: Path, left: str) -> None:
    path = socket_path("front", folder)
    if left == "socket":
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
    elif left == "file":
        path.write_text("x")
    else:
        path.symlink_to("/nonexistent")
    (folder / "front.lock").touch()
    async with ControlServer("front", VERBS, runtime_dir=folder) as server:
        assert await asked(server, "status") == {"state": "online"}


async def test_missing_folder_is_made(folder: Path) -> None:
    async with ControlServer("front", VERBS, runtime_dir=folder / "a" / "b") as server:
        assert await asked(server, "status") == {"state": "online"}
    assert stat.S_IMODE((folder / "a" / "b").stat().st_mode) & 0o007 == 0


async def test_path_that_no_socket_can_have_is_told(folder: Path) -> None:
    server = ControlServer("front", VERBS, runtime_dir=folder / ("x" * 100))
    with pytest.raises(ControlError, match=r"longer than 107 bytes.*runtime_dir"):
        await server.start()


async def test_folder_that_cannot_be_made_is_told(folder: Path) -> None:
    (folder / "file").touch()
    server = ControlServer("front", VERBS, runtime_dir=folder / "file" / "x")
    with pytest.raises(ControlError, match=r"cannot make the control socket .*runtime_dir"):
        await server.start()


def test_agent_that_does_not_run_is_told(folder: Path) -> None:
    with pytest.raises(ControlError, match=r"no agent named 'front' .*mqcam-device run"):
        ask("front", "status", folder)


def test_agent_that_crashed_is_told(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(socket_path("front", folder)))
    with pytest.raises(ControlError) as caught:
        ask("front", "status", folder)
    assert caught.value.code == "not-running"


def test_user_without_the_right_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(ControlError, match="usermod -aG mqcam"):
        ask("front", "status", folder)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"", "malformed"),
        (b"{}\n", "malformed"),
        (b'{"ok": true}\n', "malformed"),
        (b"[" * 100_000 + b"\n", "malformed"),
        (b'{"ok": false, "error": {"code": "busy", "text": "x"}}\n', "busy"),
    ],
)
async def test_any_answer_is_a_result_or_a_control_error(
    folder: Path, reply: bytes, code: str
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path("front", folder)))
        listener.listen()
        listener.settimeout(5)
        asking = asyncio.create_task(
            asyncio.to_thread(ask, "front", "status", folder, timeout_s=5), name="asking"
        )
        connection, _ = await asyncio.to_thread(listener.accept)
        with connection:
            await asyncio.to_thread(connection.recv, 4096)
            await asyncio.to_thread(connection.sendall, reply)
        with pytest.raises(ControlError) as caught:
            await asking
    assert caught.value.code == code


async def test_agent_that_does_not_answer_is_given_up(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path("front", folder)))
        listener.listen()
        with pytest.raises(ControlError, match="does not answer"):
            await asyncio.to_thread(ask, "front", "status", folder, timeout_s=0.05)


async def test_no_descriptor_is_left(folder: Path) -> None:
    before = open_descriptors()
    for _ in range(5):
        async with ControlServer("front", VERBS, runtime_dir=folder, limits=LIMITS) as server:
            await raw(server, b'{"verb": "status"}\n')
    assert open_descriptors() == before
