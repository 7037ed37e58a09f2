"""``mqcam-broker run --turn``: a real coturn beside a real mosquitto, on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aioice import stun
from mqcam.credentials import load_credentials
from mqcam.relay import allocate
from mqcam.resolver import Resolver
from mqcam.servers import Target, targets
from mqcam_broker.cli import main
from mqcam_broker.relay.turn import USER_QUOTA, TurnDecisions, TurnFiles
from mqcam_device.lending import Lender, SharedSecret
from support.broker import ShippedBroker, free_port
from support.coturn import is_available

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam.credentials import Credentials
    from mqcam.relay import Relay

pytestmark = pytest.mark.skipif(not is_available(), reason="needs coturn")
DEADLINE_S = 15.0
POLL_S = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """``mqcam-broker run --turn`` and what it says."""

    shipped: ShippedBroker
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def files(self) -> TurnFiles:
        """The relay's files."""
        return TurnFiles(self.shipped.directory)

    @property
    def relay_pid(self) -> int:
        """The process id of the relay as it says itself."""
        return int((self.shipped.directory.state / "turnserver.pid").read_text())

    @property
    def credentials(self) -> Credentials:
        """A camera's."""
        return load_credentials(self.shipped.credentials("device", "front"))

    def until_said(self, text: str, times: int = 1) -> None:
        """Wait for words of it."""
        deadline = time.monotonic() + DEADLINE_S
        while self.log.read_text().count(text) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(POLL_S)


@contextlib.contextmanager
def prepared(*, private: bool = True) -> Iterator[ShippedBroker]:
    shipped = ShippedBroker()
    try:
        TurnFiles(shipped.directory).set_up(
            TurnDecisions(
                hosts=("127.0.0.1",),
                port=free_port(),
                tls_port=free_port(),
                bind="127.0.0.1",
                private_peers=private,
            )
        )
        yield shipped
    finally:
        shipped.close()


@contextlib.contextmanager
def running(shipped: ShippedBroker, *options: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "mqcam_broker.cli", "run", "--turn", "--dir"]
    log = shipped.root / "run.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, str(shipped.directory.path), *options], stdout=file, stderr=file
        )
    try:
        found = Running(shipped, process, log)
        found.until_said("broker ready")
        yield found
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def both() -> Iterator[Running]:
    with prepared() as shipped, running(shipped) as found:
        yield found


def minted(credentials: Credentials, *, viewer: str = "laptop") -> list[Target]:
    """Return what a camera with these credentials would ask."""
    secret = SharedSecret(
        urls=credentials.turn, secret=credentials.turn_secret or "", validity_s=600
    )
    lender = Lender([secret], device="front", second=lambda: int(time.time()))
    return [each for each in targets(lender.lend(viewer)) if each.url.is_relay]


async def opened(target: Target, *, ca_pem: str | None = None) -> Relay:
    context = ssl.create_default_context(cadata=ca_pem) if target.url.is_secured else None
    (endpoint,) = await Resolver().resolve(target.url.host, target.url.port, DEADLINE_S)
    async with asyncio.timeout(DEADLINE_S):
        return await allocate(target, endpoint, asyncio.DatagramProtocol(), context=context)


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def until_ended(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


async def test_a_cameras_credentials_open_the_relay_over_udp_and_tls(both: Running) -> None:
    credentials = both.credentials
    asked = minted(credentials)
    assert [each.url.scheme for each in asked] == ["turn", "turns"]
    for target in asked:
        relay = await opened(target, ca_pem=credentials.ca)
        assert relay.address[0] == "127.0.0.1"
        await relay.wait_closed()


async def test_a_viewer_gets_no_secret(both: Running) -> None:
    viewer = load_credentials(both.shipped.credentials("viewer", "laptop"))
    assert (viewer.turn, viewer.turn_secret) == ((), None)


async def test_another_secret_opens_nothing(both: Running) -> None:
    guessed = dataclasses.replace(both.credentials, turn_secret="guessed")
    with pytest.raises(stun.TransactionFailed) as refused:
        await opened(minted(guessed)[0])
    assert refused.value.response.error_code == 401


async def test_one_pair_cannot_take_all_relays(both: Running) -> None:
    target = minted(both.credentials, viewer="greedy")[0]
    relays: list[Relay] = []
    refused = 0
    try:
        while not refused and len(relays) <= USER_QUOTA:
            try:
                relays.append(await opened(target))
            except stun.TransactionFailed as error:
                refused = error.response.error_code or 0
    finally:
        await asyncio.gather(*(relay.wait_closed() for relay in relays))
    assert (len(relays), refused) == (USER_QUOTA, 486)


def test_the_secret_is_on_no_command_line_and_in_no_output(both: Running) -> None:
    secret = both.files.secret.read_text().strip()
    commands = [
        path.read_bytes()
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.parent.name != str(os.getpid())
    ]
    assert not any(secret.encode() in each for each in commands)
    assert secret not in both.log.read_text()


async def test_private_addresses_are_not_relayed_to_unless_it_is_wanted() -> None:
    with prepared(private=False) as shipped, running(shipped) as found:
        relay = await opened(minted(found.credentials)[0])
        try:
            with pytest.raises(stun.TransactionFailed) as refused:
                await relay._client.channel_bind(0x4001, ("192.168.1.1", 9))
        finally:
            await relay.wait_closed()
    assert refused.value.response.error_code == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_relay_ends_with_the_broker(number: signal.Signals) -> None:
    with prepared() as shipped, running(shipped) as found:
        pid = found.relay_pid
        found.process.send_signal(number)
        found.process.wait(DEADLINE_S)
        until_ended(pid)


def test_a_relay_that_dies_is_started_again_and_the_broker_goes_on() -> None:
    with prepared() as shipped, running(shipped) as found:
        pid, broker = found.relay_pid, int(shipped.directory.process_id.read_text())
        os.kill(pid, signal.SIGKILL)
        found.until_said("the relay ended by itself (signal 9")
        deadline = time.monotonic() + DEADLINE_S
        while found.relay_pid == pid or not is_alive(found.relay_pid):
            assert time.monotonic() < deadline
            time.sleep(POLL_S)
        assert is_alive(broker)


def test_a_renewed_certificate_is_read_again() -> None:
    with prepared() as shipped, running(shipped, "--verbose") as found:
        pid = found.relay_pid
        shipped.directory.server_certificate.touch()
        found.until_said("Reloading TLS certificates")
        assert found.relay_pid == pid


def test_a_machine_without_coturn_is_told_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with prepared() as shipped:
        monkeypatch.setattr("mqcam_broker.relay.turnserver.shutil.which", lambda _name: None)
        monkeypatch.setattr("mqcam_broker.cli.find_mosquitto", lambda: "mosquitto")
        code = main(["run", "--turn", "--dir", str(shipped.directory.path)])
    assert code == 1
    assert "sudo apt install coturn" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named() -> None:
    with prepared() as shipped, running(shipped) as found:
        port = found.files.read_decisions().port
        command = [sys.executable, "-m", "mqcam_broker.cli", "run", "--turn"]
        again = subprocess.run(
            [*command, "--dir", str(shipped.directory.path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
    assert again.returncode == 1
    assert f"something else listens on port {port}" in again.stderr


def test_init_prepares_what_run_runs(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    command = [sys.executable, "-m", "mqcam_broker.cli", "init", "--dir", str(folder)]
    options = ["--user", "root"] if os.geteuid() == 0 else []
    made = subprocess.run(
        [*command, *options, "--address", "nas.example.org", "--turn", "nas.example.org"],
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert "mqcam-broker run --turn" in made.stdout
    assert (folder / "turn.secret").stat().st_mode & 0o777 == 0o600
    assert "nas.example.org" in (folder / "turn.yaml").read_text()
