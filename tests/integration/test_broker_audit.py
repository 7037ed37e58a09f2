"""The audit finds what a careless broker lets through, and nothing at ours; it leaves nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from mqcam.broker import BrokerAddress
from mqcam.credentials import Credentials, load_credentials
from mqcam.errors import BrokerError, BrokerTooOld, UsageError
from mqcam_broker.audit.caller import HEARD_MAX_BYTES, Account, Door, calling
from mqcam_broker.audit.findings import Finding, Verdict
from mqcam_broker.audit.inspection import inspect
from mqcam_broker.audit.packets import Letter
from mqcam_broker.cli import main
from mqcam_broker.folder.passwords import password_hash
from support.broker import ShippedBroker, free_port
from support.mosquitto import mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SETTLE_S = 0.3
PASSWORD = "secret-of-everybody"
RULES = """
user anna
topic read mqcam/v1/v/anna/in/+/+
topic read mqcam/v1/d/+/status
topic write mqcam/v1/d/+/in/anna/+
user front
topic readwrite mqcam/v1/d/front/status
topic read mqcam/v1/d/front/in/+/+
topic write mqcam/v1/v/+/in/front/+
"""


@pytest.fixture(scope="module", params=[(), ("--fleet",)], ids=["members", "fleet"])
def shipped(request: pytest.FixtureRequest) -> Iterator[ShippedBroker]:
    with ShippedBroker(options=request.param) as broker:
        for name, kind in (("anna", "viewer"), ("front", "device")):
            broker.credentials("device" if kind == "device" else "viewer", name)
        yield broker


def account(kind: str, name: str, url: str) -> Credentials:
    return Credentials(
        kind="device" if kind == "device" else "viewer",
        name=name,
        broker=(url,),
        server_name=None,
        username=name,
        password=PASSWORD,
    )


async def audited(url: str, accounts: Sequence[Credentials]) -> list[Finding]:
    return await inspect(BrokerAddress.parse(url), accounts, settle_s=SETTLE_S)


def bad(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    return {(each.check, each.who) for each in findings if each.verdict is Verdict.BAD}


async def kept(url: str) -> set[str]:
    """Return what an open broker has retained, without what it says of itself."""
    door = Door(address=BrokerAddress.parse(url))
    async with calling(door, Account(), client_id="who-looks") as caller:
        await caller.subscribe("#")
        await caller.catch_up()
        return {letter.topic for letter in caller.heard}


async def test_nothing_bad_is_found_at_the_shipped_broker(shipped: ShippedBroker) -> None:
    files = [shipped.credentials("viewer", "anna"), shipped.credentials("device", "front")]
    findings = await audited(shipped.url, [load_credentials(file) for file in files])
    assert bad(findings) == set()
    assert [each for each in findings if each.verdict is Verdict.UNKNOWN] == []
    # Silence proves something only for who can hear.
    mail = {each.who: each.verdict for each in findings if each.check == "mail of its own"}
    assert mail == {"anna": Verdict.OK, "front": Verdict.OK}


async def test_an_open_broker_is_bad_all_over_and_stays_as_it_was() -> None:
    async with mosquitto() as broker:
        await broker.start()
        accounts = [account("viewer", "anna", broker.url), account("device", "front", broker.url)]
        findings = await audited(broker.url, accounts)
        assert all(each.remedy for each in findings if each.verdict is Verdict.BAD)
        [state] = [
            each.text
            for each in findings
            if (each.check, each.who) == ("write the owner's state", "anna")
        ]
        assert "that was this audit" in state
        found = bad(findings)
        for who in ("anybody", "anna", "front"):
            for check in (
                "write another's status",
                "write the owner's state",
                "write as another viewer",
                "write as another device",
                "forged will",
                "read $SYS",
                "read others' letters",
                "the same by $share",
                "read outside mqcam",
            ):
                assert (check, who) in found
        doors = {"encryption", "anonymous", "unknown user"}
        assert {(check, "anybody") for check in doors} <= found
        assert {("wrong password", "anna"), ("a very large letter", "front")} <= found
        assert await kept(broker.url) == set()


@pytest.mark.parametrize(
    ("hole", "check", "who"),
    [
        ("", "", ""),
        ("user anna\ntopic write mqcam/v1/d/+/status", "write another's status", "anna"),
        ("user anna\ntopic write mqcam/v1/owner/state", "write the owner's state", "anna"),
        ("user anna\ntopic write mqcam/v1/d/+/in/+/+", "write as another viewer", "anna"),
        ("user front\ntopic write mqcam/v1/v/+/in/+/+", "write as another device", "front"),
        ("user anna\ntopic write mqcam/v1/v/anna/in/+/+", "write as another device", "anna"),
        ("user anna\ntopic write mqcam/v1/d/+/in/anna/#", "write a level deeper", "anna"),
        ("user anna\ntopic write mqcam/v1/v/anna/in/+/+", "forged will", "anna"),
        ("user anna\ntopic read mqcam/v1/d/+/in/+/+", "read others' letters", "anna"),
        ("user anna\ntopic read mqcam/v1/d/+/in/+/+", "the same by $share", "anna"),
        ("user front\ntopic read $SYS/#", "read $SYS", "front"),
    ],
)
async def test_one_hole_is_found_and_blamed_on_who_can_use_it(
    hole: str, check: str, who: str
) -> None:
    async with mosquitto(
        "password_file {folder}/users",
        "acl_file {folder}/rules",
        "max_packet_size 65536",
        anonymous=False,
    ) as broker:
        users = "".join(f"{name}:{password_hash(PASSWORD)}\n" for name in ("anna", "front"))
        broker.file("users", users)
        broker.file("rules", f"{RULES}{hole}\n")
        await broker.start()
        accounts = [account("viewer", "anna", broker.url), account("device", "front", broker.url)]
        found = bad(await audited(broker.url, accounts)) - {("encryption", "anybody")}
    assert ((check, who) in found) is bool(hole)
    assert {each for _, each in found} <= {who}


async def test_a_letter_of_somebody_else_that_is_kept_is_seen() -> None:
    """A home broker where everybody sees the lamps."""
    async with mosquitto() as broker:
        await broker.start()
        door = Door(address=BrokerAddress.parse(broker.url))
        async with calling(door, Account(), client_id="lamp") as caller:
            await caller.publish(Letter(topic="zigbee/lamp", payload=b"on", retain=True))
        findings = await audited(broker.url, [])
        [text] = [each.text for each in findings if each.check == "read outside mqcam"]
        assert text == "zigbee/lamp"
        assert await kept(broker.url) == {"zigbee/lamp"}


async def test_no_password_goes_where_the_certificate_is_wrong(shipped: ShippedBroker) -> None:
    right = load_credentials(shipped.credentials("viewer", "anna"))
    with ShippedBroker() as other:
        wrong = Credentials(
            kind="viewer",
            name="anna",
            broker=right.broker,
            ca=other.directory.ca_certificate.read_text(),
            username="anna",
            password=right.password,
        )
    findings = await audited(shipped.url, [wrong])
    assert bad(findings) == {("certificate", "anna")}
    assert not any(each.check == "mail of its own" for each in findings)


async def test_no_password_goes_in_the_clear_unless_its_file_says_so(
    shipped: ShippedBroker,
) -> None:
    right = load_credentials(shipped.credentials("viewer", "anna"))
    async with mosquitto(anonymous=False) as broker:
        await broker.start()
        findings = await audited(broker.url, [right])
        assert "anna" not in broker.log
    [log_in] = [each for each in findings if each.check == "log in"]
    assert log_in.verdict is Verdict.UNKNOWN


async def test_accounts_of_two_namespaces_are_refused(shipped: ShippedBroker) -> None:
    first = load_credentials(shipped.credentials("viewer", "anna"))
    with pytest.raises(UsageError, match="different namespaces"):
        await inspect(BrokerAddress.parse(shipped.url), [first], namespace="other")


async def test_an_open_number_sign_is_bad_though_nobody_speaks_there() -> None:
    async with mosquitto() as broker:
        await broker.start()
        findings = await audited(broker.url, [])
    [each] = [each for each in findings if each.check == "read outside mqcam"]
    assert each.verdict is Verdict.BAD
    assert "# is open" in each.text


async def test_where_nobody_listens_there_is_nothing_to_audit() -> None:
    with pytest.raises(BrokerError, match="nothing listens there: is the broker running"):
        await audited(f"mqtts://127.0.0.1:{free_port()}", [])


async def test_a_name_that_nobody_knows_is_told_as_such() -> None:
    with pytest.raises(BrokerError, match="its name is not known: check the address"):
        await audited("mqtts://nobody.invalid", [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"\x20\x02\x00\x01", BrokerTooOld), (b"\x20\x03\x00\x84\x00", BrokerTooOld)],
)
async def test_a_broker_without_mqtt_5_is_told_apart(answer: bytes, error: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(error, match="no MQTT 5"):
            await audited(f"mqtt://127.0.0.1:{port}", [])


def test_the_command_tells_people_and_programs(
    shipped: ShippedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shipped.credentials("viewer", "anna")
    password = str(load_credentials(file).password)
    assert main(["audit", shipped.url, "--as", str(file), "--json"]) == 0
    printed = capsys.readouterr().out
    facts = json.loads(printed)
    assert facts["ok"] is True
    assert {each["who"] for each in facts["findings"]} == {"anybody", "anna"}
    assert password not in printed
    assert main(["audit", shipped.url]) == 0
    assert "Nothing bad was found." in capsys.readouterr().out


@pytest.mark.parametrize("url", ["nas.local", "wss://nas.local", "http://nas.local"])
def test_an_address_that_cannot_be_audited_is_refused(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", url]) == 2
    assert "mqtt" in capsys.readouterr().err


def test_a_file_that_others_may_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "anna.yaml"
    file.write_text("kind: viewer\n")
    file.chmod(0o644)
    assert main(["audit", "mqtts://127.0.0.1:1", "--as", str(file)]) == 78
    assert "open to other users" in capsys.readouterr().err


async def test_a_broker_that_floods_fills_no_memory() -> None:
    topic = b"mqcam/v1/v/anna/in/front/AAECAwQFBgcICQoLDA0ODw"
    body = len(topic).to_bytes(2) + topic + b"\0" + bytes(64 * 1024)
    length = bytes([len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14])
    letters = 1000

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"\x20\x03\0\0\0")
        for _ in range(letters):
            writer.write(b"\x30" + length + body)
            await writer.drain()
        writer.write(b"\xd0\0")
        writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        door = Door(address=BrokerAddress.parse(f"mqtt://127.0.0.1:{port}"))
        async with calling(door, Account(), client_id="audit") as caller:
            await caller.catch_up()
            heard = sum(len(letter.payload) for letter in caller.heard)
            assert 0 < heard <= HEARD_MAX_BYTES
            assert len(caller.heard) < letters
