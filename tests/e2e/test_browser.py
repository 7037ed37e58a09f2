"""A stranger's viewer, written from docs/protocol.md alone, watches a camera in a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.credentials import load_credentials
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey, fingerprint
from mqcam_device.control import ask
from support.agent import ASKEW, SMALL, RunningAgent
from support.bars import PLACES, TURNED_PLACES, are_bars
from support.broker import ShippedBroker, free_port
from support.chromium import PAGE_FOLDER, Chromium, Page, missing
from support.vectors import load
from support.webpages import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

UNSEEN = {"version with a point", "a key twice"}
"""Mistakes that a browser's JSON.parse hides from whoever calls it."""

WAITING_S = 5.0

NOBODY = SigningKey(b"\x07" * 32)
"""Somebody for whom nobody vouches."""


@pytest.fixture(scope="module")
def ws_port() -> int:
    """Choose the port at which browsers reach the broker."""
    return free_port()


@pytest.fixture(scope="module")
def broker(ws_port: int) -> Iterator[ShippedBroker]:
    """Run a broker that lets browsers in."""
    with ShippedBroker(ws_port=ws_port) as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve the page."""
    with served(PAGE_FOLDER) as address:
        yield f"{address}/index.html"


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """Run a browser."""
    async with Chromium() as running:
        yield running


@pytest.fixture
def login(broker: ShippedBroker, ws_port: int) -> dict[str, str | None]:
    """Let a viewer in and return what its page must know."""
    return login_of(broker, ws_port, "laptop")


def login_of(broker: ShippedBroker, ws_port: int, name: str) -> dict[str, str | None]:
    credentials = load_credentials(broker.credentials("viewer", name))
    return {
        "url": f"wss://127.0.0.1:{ws_port}/",
        "name": credentials.name,
        "namespace": credentials.namespace,
        "username": credentials.username,
        "password": credentials.password,
        "identity": credentials.identity,
        "owner": credentials.owner,
        "grant": credentials.grant,
    }


async def watch(page: Page, login: dict[str, Any], device: str, **options: str) -> Any:
    """Offer from a page; return "connected" or how it ended."""
    return await page.call("watch", login, device, options)


async def test_a_browser_shows_the_pattern(
    camera: RunningAgent, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    page = await chromium.page(site)
    assert await watch(page, login, camera.name) == "connected"
    seen = await page.call("measure", 2.0)
    colours = await page.call("colours", PLACES)
    await page.call("leave")

    assert (seen["width"], seen["height"]) == (640, 360)
    assert seen["framesDecoded"] >= 45
    assert seen["framesDropped"] <= 3
    assert seen["packetsLost"] == 0
    assert 0 < seen["firstFrameMs"] < 3000
    assert are_bars(colours), colours


async def test_a_browser_turns_the_picture_of_a_camera_that_hangs_askew(
    broker: ShippedBroker, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    """Chromium reads the header extension and takes the picture for one that stands on end."""
    page = await chromium.page(site)
    with RunningAgent(broker, name="askew", settings=ASKEW) as camera:
        assert await watch(page, login, camera.name) == "connected"
        size = await page.call("size")
        colours = await page.call("colours", TURNED_PLACES)
        await page.call("leave")

    assert size == [360, 640]
    assert are_bars(colours), colours


async def test_a_browser_that_leaves_says_so(
    camera: RunningAgent, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    page = await chromium.page(site)
    assert await watch(page, login, camera.name) == "connected"
    assert camera.ask("status")["viewers"] == 1
    endings = camera.log.count("code=closed")
    await page.call("leave")

    await camera.until(lambda status: status["viewers"] == 0)
    assert camera.log.count("code=closed") == endings + 1


async def test_a_closed_tab_frees_its_place_soon(
    camera: RunningAgent, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    """The broker publishes the tab's will, which makes the camera's patience 3 s instead of 8."""
    page = await chromium.page(site)
    assert await watch(page, login, camera.name) == "connected"
    await page.call("measure", 0.1)  # a picture: the camera knows that they are connected, too
    await page.close()

    await camera.until(lambda status: status["viewers"] == 0)


async def test_a_stale_nonce_is_answered_with_a_second_offer(
    camera: RunningAgent, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    page = await chromium.page(site)
    assert await watch(page, login, camera.name, nonce="AAECAwQFBgcICQoLDA0ODw") == "connected"
    assert await page.call("retries") == 1
    assert (await page.call("measure", 0.5))["framesDecoded"] > 0
    await page.call("leave")


async def test_a_second_page_is_told_busy_and_the_first_goes_on(
    broker: ShippedBroker,
    ws_port: int,
    chromium: Chromium,
    site: str,
    login: dict[str, str | None],
) -> None:
    settings = SMALL + "max_viewers: 1\n"
    with RunningAgent(broker, name="small", settings=settings) as camera:
        first, second = await chromium.page(site), await chromium.page(site)
        assert await watch(first, login, camera.name) == "connected"
        refusal = await watch(second, login_of(broker, ws_port, "other"), camera.name)
        seen = await first.call("measure", 0.5)
        await first.call("leave")

    assert (refusal["code"], refusal["isRemote"]) == ("busy", True)
    assert seen["framesDecoded"] > 0


async def test_a_page_hears_that_its_camera_was_stopped(
    broker: ShippedBroker, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    page = await chromium.page(site)
    with RunningAgent(broker, name="stopped", settings=SMALL) as camera:
        assert await watch(page, login, camera.name) == "connected"
    ending = await page.call("ending")

    assert (ending["code"], ending["isRemote"]) == ("shutdown", True)


async def test_a_page_reads_the_examples_of_the_wire(chromium: Chromium, site: str) -> None:
    """What the page's author made of sections 4 and 5 of docs/protocol.md is what they mean."""
    examples = load("messages.json")
    page = await chromium.page(site)
    misread = [
        example["name"]
        for example in examples["valid"]
        if not holds(await page.call("read", example["body"]), example.get("reads_as", {}))
    ]
    names = {"malformed": "Malformed", "unsupported-version": "UnsupportedVersion"}
    accepted = {
        example["name"]
        for example in examples["invalid"]
        if await page.call("read", example["body"]) != names[example["code"]]
    }

    assert misread == []
    assert accepted == UNSEEN


@pytest.mark.parametrize("file", ["keys.json", "envelopes.json", "documents.json", "pairing.json"])
async def test_a_page_runs_the_examples_of_keys_seals_and_documents(
    chromium: Chromium, site: str, file: str
) -> None:
    """Signed, sealed and judged with WebCrypto alone, from docs/protocol.md."""
    page = await chromium.page(site)
    lists = {name: found for name, found in load(file).items() if name != "about"}
    wrong = {name: await page.call("run", file, name, found) for name, found in lists.items()}
    unseen = [line for lines in wrong.values() for line in lines if "a key twice" in line]

    assert {name: lines for name, lines in wrong.items() if lines and lines != unseen} == {}
    assert len(unseen) == (file == "documents.json")


@pytest.mark.parametrize("signer", ["nobody", "the owner of another", "itself"])
async def test_a_page_without_its_owners_grant_may_not_watch(
    broker: ShippedBroker,
    ws_port: int,
    camera: RunningAgent,
    chromium: Chromium,
    *,
    site: str,
    signer: str,
) -> None:
    """Neither without any, nor with one that somebody else signed."""
    name = signer.replace(" ", "-")  # each is told once in a while only
    login = login_of(broker, ws_port, name)
    identity = SigningKey.parse(login["identity"] or "")
    grant = Grant(name=name, key=identity.public, serial="AAAAAAAA", cameras=("*",))
    grants = {
        "nobody": "",
        "the owner of another": grant.issue(NOBODY, "mqcam"),
        "itself": grant.issue(identity, "mqcam"),
    }
    page = await chromium.page(site)
    refusal = await watch(page, {**login, "grant": grants[signer]}, camera.name)
    await page.call("leave")

    assert (refusal["code"], refusal["isRemote"]) == ("unauthorized", True)


async def test_a_stolen_password_and_grant_open_nothing_without_the_key(
    broker: ShippedBroker, ws_port: int, camera: RunningAgent, chromium: Chromium, site: str
) -> None:
    login = login_of(broker, ws_port, "robbed")
    page = await chromium.page(site)
    refusal = await watch(page, {**login, "identity": NOBODY.secret_text()}, camera.name)
    await page.call("leave")

    assert (refusal["code"], refusal["isRemote"]) == ("unauthorized", True)


async def test_a_page_offers_to_no_camera_for_which_its_owner_does_not_vouch(
    camera: RunningAgent, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    page = await chromium.page(site)
    refusal = await watch(page, {**login, "owner": NOBODY.public}, camera.name)
    await page.call("leave")

    assert (refusal["code"], refusal["isRemote"]) == ("unknown-key", False)
    assert camera.ask("status")["viewers"] == 0


async def test_a_page_leaves_a_camera_that_the_owner_has_removed(
    broker: ShippedBroker, chromium: Chromium, site: str, login: dict[str, str | None]
) -> None:
    """Whoever has the camera now may have its key: the owner's word ends what runs."""
    page = await chromium.page(site)
    with RunningAgent(broker, name="given-away", settings=SMALL):
        assert await watch(page, login, "given-away") == "connected"
        broker.remove("given-away")
        ending = await page.call("ending")
        await page.call("leave")

    assert (ending["code"], ending["isRemote"]) == ("revoked-key", False)


@pytest.fixture
def newcomer(broker: ShippedBroker, ws_port: int) -> dict[str, Any]:
    """Return an account at the broker for whom no owner speaks."""
    return {**login_of(broker, ws_port, "neighbour"), "owner": None, "grant": ""}


@contextlib.asynccontextmanager
async def pairing(
    page: Page, camera: RunningAgent, newcomer: dict[str, Any], *, is_welcome: bool
) -> AsyncIterator[Any]:
    """Let a page ask for a right and a person at the camera answer; yield what the page hears."""
    opened = ask(camera.name, "pair", camera.folder)
    told = asyncio.create_task(page.call("pair", newcomer, opened["uri"]), name="pairing")
    async with asyncio.timeout(WAITING_S):
        while not (found := ask(camera.name, "pairing", camera.folder)["waiting"]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # the camera tells whoever asks, and nobody else
    (waiting,) = found
    answer = {"number": waiting["number"], "accept": is_welcome}
    ask(camera.name, "pair-decide", camera.folder, answer)

    assert waiting["viewer"] == "neighbour"
    assert waiting["fingerprint"] == fingerprint(SigningKey.parse(newcomer["identity"]).public)
    yield await told
    ask(camera.name, "pair-close", camera.folder)


async def test_a_page_that_was_let_in_at_the_camera_watches_without_an_owner(
    camera: RunningAgent, chromium: Chromium, site: str, newcomer: dict[str, Any]
) -> None:
    """Both prove the secret of the invitation; from then on each knows the other's key."""
    page = await chromium.page(site)
    async with pairing(page, camera, newcomer, is_welcome=True) as told:
        await page.call("leave")
        assert (told["code"], told["rights"]) == ("paired", ["view"])
        assert set(told["heard"]) <= {"pairing-waits"}

        known = {camera.name: told["key"]}
        assert await watch(page, {**newcomer, "known": known}, camera.name) == "connected"
        await page.call("leave")


async def test_a_page_that_is_turned_away_at_the_camera_hears_so(
    camera: RunningAgent, chromium: Chromium, site: str, newcomer: dict[str, Any]
) -> None:
    page = await chromium.page(site)
    async with pairing(page, camera, newcomer, is_welcome=False) as told:
        await page.call("leave")

    assert told["code"] == "pairing-declined"


async def test_a_page_offers_nothing_to_who_signs_with_another_key_than_the_paired_one(
    camera: RunningAgent, chromium: Chromium, site: str, newcomer: dict[str, Any]
) -> None:
    page = await chromium.page(site)
    known = {camera.name: NOBODY.public}
    refusal = await watch(page, {**newcomer, "known": known}, camera.name)
    await page.call("leave")

    assert (refusal["code"], refusal["isRemote"]) == ("changed-key", False)


def holds(whole: Any, part: Any) -> bool:
    """Tell whether a value has everything that another names."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(holds(whole.get(k), v) for k, v in part.items())
    return bool(whole == part)
