from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from typing import TYPE_CHECKING

from mqcam.servers import IceServer
from mqcam_device.lending import Lender, SharedSecret

if TYPE_CHECKING:
    import pytest

NOW = 1_800_000_000
FIXED = IceServer(urls=("turn:fixed",), username="u", credential="p")
RELAY = SharedSecret(urls=("stun:r", "turn:r", "turns:r"), secret="s3cret", validity_s=600)


class Clock:
    """A time of day that can be lost and found."""

    def __init__(self, second: int | None = NOW) -> None:
        self.second = second

    def __call__(self) -> int | None:
        """Tell the second."""
        return self.second


def test_an_account_says_until_when_it_is_good_and_proves_it() -> None:
    lender = Lender([RELAY], device="front", second=Clock())
    (server,) = lender.lend("laptop")
    assert server.username == f"{NOW + 600}:front.laptop"
    proof = hmac.new(b"s3cret", server.username.encode(), hashlib.sha1).digest()
    assert server.credential == base64.b64encode(proof).decode()
    assert server.urls == RELAY.urls


def test_a_known_account() -> None:
    """The figures are those that ``openssl dgst -sha1 -hmac`` gives."""
    server = SharedSecret(urls=("turn:r",), secret="north", validity_s=60).mint("a.b", second=1000)
    assert (server.username, server.credential) == ("1060:a.b", "6Izw3amoIRKHCLcRjJmEsTdKWHY=")


def test_each_viewer_and_second_has_an_account_of_its_own() -> None:
    clock = Clock()
    lender = Lender([RELAY], device="front", second=clock)
    seen = {lender.lend("anna")[0].credential, lender.lend("ben")[0].credential}
    clock.second = NOW + 1
    seen.add(lender.lend("anna")[0].credential)
    assert len(seen) == 3


def test_without_a_believable_clock_only_what_wants_no_account_is_lent() -> None:
    lender = Lender([FIXED, RELAY], device="front", second=Clock(None))
    assert lender.lend("laptop") == (FIXED, IceServer(urls=("stun:r",)))
    assert "not synchronised" in lender.trouble


def test_a_relay_without_a_stun_address_is_left_out_without_a_clock() -> None:
    relay = SharedSecret(urls=("turn:r",), secret="s", validity_s=600)
    assert Lender([relay], device="front", second=Clock(None)).lend("laptop") == ()


def test_fixed_accounts_need_no_clock() -> None:
    lender = Lender([FIXED], device="front", second=Clock(None))
    assert (lender.lend("laptop"), lender.trouble) == ((FIXED,), "")


def test_a_missing_clock_is_told_once_and_again_when_it_is_lost_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    clock = Clock(None)
    lender = Lender([RELAY], device="front", second=clock)
    for second in (None, None, NOW, NOW, None):
        clock.second = second
        lender.lend("laptop")
    assert len(caplog.records) == 2
    clock.second = NOW
    assert lender.trouble == ""


def test_neither_secret_nor_password_is_shown() -> None:
    server = RELAY.mint("front.laptop", second=NOW)
    assert "s3cret" not in repr(RELAY)
    assert server.credential not in repr(server)
