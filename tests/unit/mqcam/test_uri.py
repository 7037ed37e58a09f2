"""One line of text that opens an account."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.credentials import Credentials
from mqcam.errors import UriUnusable
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey
from mqcam.uri import (
    CONTENT_MAX_BYTES,
    Invitation,
    credentials_uri,
    invitation_uri,
    is_uri,
    read_uri,
)
from support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = SigningKey(bytes(range(32)))
OWNER = SigningKey(bytes(32))


@pytest.fixture(scope="module")
def ca() -> str:
    return Authority().pem


def viewer(**values: object) -> Credentials:
    given_ = {
        "name": "laptop",
        "broker": ("mqtts://192.0.2.2:8883", "mqtts://nas.local:8883"),
        "username": "laptop",
        "password": "hunter2hunter2",
        "identity": KEY.secret_text(),
        "owner": OWNER.public,
        **values,
    }
    grant = Grant(name=str(given_["name"]), key=KEY.public, serial="12345678", cameras=("*",))
    namespace = str(given_.get("namespace", "mqcam"))
    if given_["owner"] is not None:
        given_.setdefault("grant", grant.issue(OWNER, namespace))
    return Credentials(kind="viewer", **given_)  # type: ignore[arg-type]


def invitation(**values: object) -> Invitation:
    way = Credentials(kind="viewer", name="front", broker=("mqtt://192.0.2.2:1883",), **values)  # type: ignore[arg-type]
    return Invitation(key=KEY.public, secret=bytes(range(16)), way=way)


def packed(values: Mapping[str, object]) -> str:
    return packed_bytes(zlib.compress(json.dumps(values).encode()))


def packed_bytes(data: bytes) -> str:
    return "mqcam:" + base64.b32encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"server_name": None},
        {"server_name": "broker.example.org", "namespace": "home"},
        {"username": "shared"},
        {"username": "shared", "password": None},
        {"username": "laptop", "password": None},
        {"username": None, "password": None, "owner": None, "grant": None},
        {"identity": None},
        {"password": "Schlüssel \N{KEY} \\ ' \" : #"},
    ],
)
def test_a_viewers_credentials_come_back_as_they_were(values: dict[str, object]) -> None:
    credentials = viewer(**values)
    assert read_uri(credentials_uri(credentials)) == credentials


def test_the_authoritys_certificates_come_back(ca: str) -> None:
    credentials = viewer(ca=ca + Authority().pem)
    assert read_uri(credentials_uri(credentials)) == credentials


def test_an_identity_that_is_kept_elsewhere_is_left_out() -> None:
    read = read_uri(credentials_uri(viewer(identity=KEY.public)))
    assert read == viewer(identity=None)


def test_a_device_has_no_line() -> None:
    with pytest.raises(ValueError, match="only viewers"):
        credentials_uri(replace(viewer(), kind="device"))


@pytest.mark.parametrize("values", [{}, {"username": "shared", "password": "hunter2"}])
def test_an_invitation_comes_back_as_it_was(values: dict[str, object], ca: str) -> None:
    given_ = invitation(ca=ca, namespace="home", **values)
    read = read_uri(invitation_uri(given_))
    assert read == given_
    assert isinstance(read, Invitation)
    assert read.camera == "front"


def test_a_line_is_made_of_capitals_and_digits_only() -> None:
    scheme, _, rest = credentials_uri(viewer()).partition(":")
    assert scheme == "MQCAM"
    assert set(rest) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def test_line_breaks_and_small_letters_are_forgiven() -> None:
    line = credentials_uri(viewer())
    broken = "\n ".join(line[at : at + 60] for at in range(0, len(line), 60))
    assert read_uri(f"  {broken.lower()}\r\n") == viewer()


def test_no_secret_is_in_the_values_text() -> None:
    shown = repr(invitation(username="u", password="hunter2"))
    assert "hunter2" not in shown
    assert repr(bytes(range(16))) not in shown


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "does not begin"),
        ("https://example.org", "does not begin"),
        ("mqcam:", "not whole"),
        ("mqcam:A", "damaged"),
        ("mqcam:!!!!", "damaged"),
        ("mqcam:ÄÖ", "damaged"),
        ("mqcam:" + "A" * 9000, "too long"),
        (packed_bytes(zlib.compress(b"{}")[:-1]), "not whole"),
        (packed_bytes(zlib.compress(b"{}") + b"more"), "not whole"),
        (packed_bytes(zlib.compress(bytes(CONTENT_MAX_BYTES * 100))), "too big"),
        (packed_bytes(zlib.compress(b"[]")), "cannot be read"),
        (packed_bytes(zlib.compress(b"[" * 10_000)), "cannot be read"),
        (packed({"v": 2, "t": "viewer"}), "newer"),
        (packed({"v": 1, "t": "fridge"}), "newer"),
        (packed({"v": 1, "t": "viewer"}), "lacks name"),
        (packed({"v": 1, "t": "viewer", "name": "a/b", "broker": ["mqtt://a"]}), "name"),
        (packed({"v": 1, "t": "viewer", "name": "a", "broker": ["ftp://a"]}), "broker"),
        (packed({"v": 1, "t": "viewer", "name": "a", "broker": []}), "broker"),
        (packed({"v": 1, "t": "viewer", "name": "a", "broker": ["mqtt://a"], "ca": ["!"]}), "key"),
        (packed({"v": 1, "t": "pair", "key": "ed25519:x", "secret": "", "name": "a"}), "key"),
        (packed({"v": 1, "t": "pair", "key": KEY.public, "secret": "AAAA"}), "wrong length"),
    ],
)
def test_a_line_that_opens_nothing_is_refused_with_a_reason(line: str, why: str) -> None:
    with pytest.raises(UriUnusable, match=why):
        read_uri(line)


def test_a_refusal_repeats_no_secret() -> None:
    values = {"v": 1, "t": "viewer", "name": "a b", "broker": ["x"], "password": "hunter2"}
    with pytest.raises(UriUnusable) as caught:
        read_uri(packed(values))
    assert "hunter2" not in str(caught.value)


def test_unknown_fields_are_ignored() -> None:
    line = packed({"v": 1, "t": "viewer", "name": "a", "broker": ["mqtt://a"], "later": [1, {}]})
    read = read_uri(line)
    assert isinstance(read, Credentials)
    assert read.name == "a"


@given(st.text() | st.binary().map(packed_bytes) | st.binary().map(zlib.compress).map(packed_bytes))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    try:
        read_uri(text)
    except UriUnusable:
        return
    assert is_uri(text)


NAMES = (
    *("name", "broker", "ca", "key", "secret", "password"),
    *("username", "server_name", "namespace", "identity", "owner", "grant"),
)


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.none() | st.integers() | st.text() | st.lists(st.text() | st.integers()),
    ),
    st.sampled_from(["viewer", "pair"]),
)
def test_whatever_stands_in_it_is_read_or_refused(values: dict[str, object], kind: str) -> None:
    try:
        read_uri(packed({"broker": ["mqtt://a"], "name": "a", **values, "v": 1, "t": kind}))
    except UriUnusable:
        return


def test_a_line_is_told_from_other_words() -> None:
    assert is_uri(" MQCAM:ABC")
    assert not is_uri("front")
