"""Accounts that a camera makes from a shared secret, at a real coturn on 127.0.0.1."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aioice import stun
from mqcam.ice import IceSettings
from mqcam.relay import allocate
from mqcam.resolver import Resolver
from mqcam.servers import Target, targets
from mqcam_device.lending import Lender, SharedSecret
from support.coturn import Coturn, free_port, is_available
from support.trickling import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam.relay import Relay

pytestmark = pytest.mark.skipif(not is_available(), reason="needs coturn")
SECRET = "a secret of the owner"
VALIDITY_S = 2
PATIENCE_S = 10.0
COTURN_LAG_S = 3


class Sink(asyncio.DatagramProtocol):
    """Takes nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[SharedSecret]:
    """Return a relay with a secret, as a camera knows it."""
    port = free_port()
    with Coturn(["127.0.0.1"], port=port, secret=SECRET):
        yield SharedSecret(urls=(f"turn:127.0.0.1:{port}",), secret=SECRET, validity_s=VALIDITY_S)


def minted(server: SharedSecret, *, viewer: str = "laptop") -> Target:
    lender = Lender([server], device="front", second=lambda: int(time.time()))
    (target,) = targets(lender.lend(viewer))
    return target


async def opened(target: Target) -> Relay:
    (endpoint,) = await Resolver().resolve(target.url.host, target.url.port, PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        return await allocate(target, endpoint, Sink(), context=None)


async def refreshed(relay: Relay) -> int:
    """Ask for more time, as a running session does; return the seconds that the server gives."""
    request = stun.Message(
        message_method=stun.Method.REFRESH, message_class=stun.Class.REQUEST, attributes={}
    )
    request.attributes["LIFETIME"] = 600
    response, _ = await relay._client.request_with_retry(request)
    return int(response.attributes["LIFETIME"])


async def test_both_ends_reach_each_other_with_one_account(server: SharedSecret) -> None:
    lender = Lender([server], device="front", second=lambda: int(time.time()))
    lent = lender.lend("laptop")
    camera = IceSettings(servers=lent, loopback=True, exclude_interfaces=("*",), policy="relay")
    async with Pair().made(replace(camera, servers=()), camera) as pair:
        await pair.connect(lent)
        assert pair.path == ("relay", "relay")


async def test_a_running_relay_outlives_its_account_and_a_new_one_is_refused(
    server: SharedSecret,
) -> None:
    """A coturn knows a client again by its nonce, also when that has been renewed since."""
    target = minted(server)
    relay = await opened(target)
    try:
        expiry = int(target.username.partition(":")[0])
        # coturn looks at its own clock about once a second.
        while time.time() <= expiry + COTURN_LAG_S:  # noqa: ASYNC110 - time gives no events
            await asyncio.sleep(0.1)
        assert await refreshed(relay) == 600
        await relay._client.channel_bind(0x4001, ("127.0.0.1", 9))
        with pytest.raises(stun.TransactionFailed) as refused:
            await opened(target)
    finally:
        await relay.wait_closed()
    assert refused.value.response.error_code == 401


@pytest.mark.parametrize("change", ["name", "expiry", "credential"])
async def test_an_account_that_was_changed_is_refused(server: SharedSecret, change: str) -> None:
    target = minted(server)
    expiry, _, name = target.username.partition(":")
    forged = {
        "name": replace(target, username=f"{expiry}:back.{name}"),
        "expiry": replace(target, username=f"{int(expiry) + 9}:{name}"),
        "credential": replace(target, credential=target.credential.swapcase()),
    }
    with pytest.raises(stun.TransactionFailed) as refused:
        await opened(forged[change])
    assert refused.value.response.error_code == 401
