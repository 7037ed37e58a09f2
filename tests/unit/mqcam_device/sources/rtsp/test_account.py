"""A camera is told who we are as the standards have it, and nobody else is."""

from __future__ import annotations

import pytest
from mqcam_device.sources.rtsp.account import MAX_CHALLENGE_LENGTH, Account

# The example of RFC 7616, section 3.9.1, from its two challenges to the two answers.
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OWN = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
REST = (
    f'realm="http-auth@example.org", qop="auth, auth-int", algorithm={{}}, nonce="{NONCE}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
MD5 = "Digest " + REST.format("MD5")
SHA256 = "Digest " + REST.format("SHA-256")


def mufasa() -> Account:
    return Account("Mufasa", "Circle of Life", lambda: OWN)


@pytest.mark.parametrize(
    ("challenges", "response"),
    [
        ([MD5], "8ca523f5e9506fed4657c9700eebdbec"),
        ([MD5, SHA256], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_is_that_of_the_standard(challenges: list[str], response: str) -> None:
    account = mufasa()

    assert account.challenge(challenges)
    assert f'response="{response}"' in account.header("GET", "/dir/index.html")


def test_digest_counts_its_uses_of_a_nonce() -> None:
    account = mufasa()
    account.challenge([MD5])

    headers = [account.header("PLAY", "rtsp://camera/") for _ in range(2)]

    assert ["nc=00000001" in headers[0], "nc=00000002" in headers[1]] == [True, True]


def test_digest_of_old_cameras_has_no_counter() -> None:
    account = Account("user", "secret")
    account.challenge(['Digest realm="IP Camera", nonce="1f"'])

    header = account.header("DESCRIBE", "rtsp://c/1")

    assert 'response="9a65674decbd80a0dccc004b7852edd1"' in header
    assert "nc=" not in header


def test_basic_is_used_where_nothing_better_is_offered() -> None:
    account = Account("user", "secret")

    assert account.challenge(['Basic realm="x"'])
    assert account.header("PLAY", "rtsp://c/") == "Basic dXNlcjpzZWNyZXQ="


def test_better_challenge_wins_over_basic() -> None:
    account = mufasa()
    account.challenge(['Basic realm="x"', MD5])

    assert account.header("PLAY", "rtsp://c/").startswith("Digest ")


def test_camera_that_knew_better_is_not_told_the_password_later() -> None:
    account = mufasa()
    account.challenge([MD5])
    account.begin()

    assert not account.challenge(['Basic realm="x"'])
    assert account.header("PLAY", "rtsp://c/") == ""


def test_new_connection_tells_nothing_before_it_is_asked() -> None:
    account = Account("user", "secret")
    account.challenge(['Basic realm="x"'])
    account.begin()

    assert account.header("PLAY", "rtsp://c/") == ""


def test_endless_challenge_is_none() -> None:
    account = mufasa()

    assert not account.challenge([MD5 + ", a" + "a" * MAX_CHALLENGE_LENGTH])


@pytest.mark.parametrize("value", ["Negotiate", "", 'Digest realm="x", algorithm=ODD, nonce="1"'])
def test_unknown_challenge_is_not_answered(value: str) -> None:
    account = mufasa()

    assert not account.challenge([value])
    assert account.header("PLAY", "rtsp://c/") == ""


def test_value_of_the_camera_cannot_add_a_header() -> None:
    account = Account('us"er', "secret")
    account.challenge(['Digest realm="a\\"b\r\nX-Evil: 1", nonce="n\n1", algorithm=MD5'])

    header = account.header("PLAY", "rtsp://c/")

    assert "\r" not in header
    assert "\n" not in header
    assert 'username="us\\"er"' in header


def test_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Account("user", "secret"))
