from __future__ import annotations

import asyncio

from mqcam.broker import BrokerState
from mqcam.errors import AccountRefused, BrokerRefused, BrokerUnreachable
from mqcam_viewer.standing import ACCOUNT_REFUSED, Standing, for_guest

CONNECTED = BrokerState(connected=True)
REFUSED = BrokerState(connected=False, error=AccountRefused("look with 'mqcam-broker list'"))
LOST = BrokerState(connected=False, error=BrokerUnreachable("nobody answers"))
DUEL = BrokerState(connected=False, error=BrokerRefused("another client with our id replaced us"))


async def test_only_a_refusal_of_the_account_shuts_out() -> None:
    standing = Standing()
    for state in (LOST, DUEL, CONNECTED):
        standing.note(state)
        assert standing.refusal is None
    await standing.until_let_in()


async def test_a_refusal_lasts_over_an_outage_until_the_account_is_back() -> None:
    standing = Standing()
    standing.note(REFUSED)
    standing.note(LOST)
    refusal = await standing.until_refused()
    assert refusal.code == ACCOUNT_REFUSED
    assert "ask its owner" in refusal.text
    assert standing.refusal is not None
    waiting = asyncio.create_task(standing.until_let_in())
    await asyncio.sleep(0)
    assert not waiting.done()
    standing.note(CONNECTED)
    await waiting
    assert standing.refusal is None


def test_a_guest_is_not_sent_to_the_broker() -> None:
    said = for_guest(AccountRefused("look with 'mqcam-broker list'", address="mqtts://nas:8883"))
    assert str(said) == (
        "broker mqtts://nas:8883: it does not let this viewer in: ask its owner for a new file"
    )
