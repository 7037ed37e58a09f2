"""Certificates and grants: read as they were written, for the right owner, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.errors import DocumentRefused, KeyUnusable, LocalProtocolError
from mqcam.trust.documents import (
    CAMERAS_MAX,
    DOCUMENT_MAX_CHARS,
    Certificate,
    Grant,
    is_pattern,
    new_serial,
    read_certificate,
    read_grant,
)
from mqcam.trust.keys import SigningKey, decode, encode, signing_key_text
from mqcam.trust.signing import Purpose, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER, HOLDER, OTHER = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
CERTIFICATE = Certificate(name="front", key=HOLDER.public, serial="serial01")
GRANT = Grant(
    name="front",
    key=HOLDER.public,
    serial="serial02",
    cameras=("front", "garden-*"),
    rights=("view", "talk"),
    expires=2_000_000_000,
)
TEXTS = {"certificate": CERTIFICATE.issue(OWNER, "home"), "grant": GRANT.issue(OWNER, "home")}
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
SERIALS = st.binary(min_size=6, max_size=6).map(new_serial)


def read(
    kind: str, text: str, *, owner: SigningKey = OWNER, namespace: str = "home"
) -> Certificate | Grant:
    reader = read_certificate if kind == "certificate" else read_grant
    return reader(text, owner=owner.public, namespace=namespace)


def signed(
    body: Mapping[str, object] | bytes,
    *,
    purpose: Purpose = Purpose.CERTIFICATE,
    place: str = "home/v1/d/front",
    recipient: SigningKey = HOLDER,
) -> str:
    """Return a document as an owner could sign it with a program of his own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = sign(OWNER, purpose, topic=place, body=content, recipient=recipient.public_bytes)
    return f"{encode(content)}.{encode(signature)}"


def body_of(kind: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(decode(TEXTS[kind].partition(".")[0]))
    return body


@given(NAMES, SERIALS, NAMES)
def test_certificate_is_read_as_it_was_issued(name: str, serial: str, namespace: str) -> None:
    issued = Certificate(name=name, key=HOLDER.public, serial=serial)
    text = issued.issue(OWNER, namespace)
    assert read_certificate(text, owner=OWNER.public, namespace=namespace) == issued


@given(
    NAMES,
    SERIALS,
    st.lists(NAMES, max_size=20),
    st.lists(st.sampled_from(["view", "talk", "control"]), max_size=3),
    st.none() | st.integers(0, 253_402_300_799),
)
def test_grant_is_read_as_it_was_issued(
    name: str, serial: str, cameras: list[str], rights: list[str], expires: int | None
) -> None:
    issued = Grant(
        name=name,
        key=HOLDER.public,
        serial=serial,
        cameras=tuple(cameras),
        rights=tuple(rights),
        expires=expires,
    )
    assert read_grant(issued.issue(OWNER, "home"), owner=OWNER.public, namespace="home") == issued


@pytest.mark.parametrize("kind", TEXTS)
def test_every_bit_of_a_document_counts(kind: str) -> None:
    text = TEXTS[kind]
    for at, letter in enumerate(text):
        for bit in range(7):
            with pytest.raises(DocumentRefused):
                read(kind, text[:at] + chr(ord(letter) ^ (1 << bit)) + text[at + 1 :])


@pytest.mark.parametrize("kind", TEXTS)
def test_a_part_of_a_document_or_more_than_one_is_none(kind: str) -> None:
    text = TEXTS[kind]
    body, _, signature = text.partition(".")
    whole = [f"{text}.", f".{text}", f"{text}=", f"{text}\n", f"{text}.{signature}", text + text]
    whole += [f"{body}.", f".{signature}", f"{signature}.{body}", body, signature]
    for changed in (*whole, *(text[:length] for length in range(len(text)))):
        with pytest.raises(DocumentRefused):
            read(kind, changed)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_document_is_good_for_one_owner_and_one_namespace(kind: str) -> None:
    assert read(kind, TEXTS[kind]).name == "front"
    for changes in ({"owner": OTHER}, {"owner": HOLDER}, {"namespace": "hom"}):
        with pytest.raises(DocumentRefused, match="not signed by the owner") as caught:
            read(kind, TEXTS[kind], **changes)
        assert caught.value.code == "not-signed"


def test_a_certificate_is_no_grant_and_a_grant_no_certificate() -> None:
    for kind, other in (("grant", "certificate"), ("certificate", "grant")):
        with pytest.raises(DocumentRefused, match=f"the {kind} is a {other}"):
            read(kind, TEXTS[other])


@pytest.mark.parametrize(
    ("purpose", "place", "recipient"),
    [
        (Purpose.GRANT, "home/v1/d/front", HOLDER),
        (Purpose.STATUS, "home/v1/d/front", HOLDER),
        (Purpose.MESSAGE, "home/v1/d/front", HOLDER),
        (Purpose.OWNER_STATE, "home/v1/d/front", HOLDER),
        (Purpose.CERTIFICATE, "home/v1/v/front", HOLDER),
        (Purpose.CERTIFICATE, "home/v1/d/back", HOLDER),
        (Purpose.CERTIFICATE, "home/v1/d/front/status", HOLDER),
        (Purpose.CERTIFICATE, "other/v1/d/front", HOLDER),
        (Purpose.CERTIFICATE, "home/v1/d/front", OTHER),
    ],
)
def test_what_an_owner_signed_for_something_else_is_no_certificate(
    purpose: Purpose, place: str, recipient: SigningKey
) -> None:
    body = body_of("certificate")
    assert read("certificate", signed(body)) == CERTIFICATE
    with pytest.raises(DocumentRefused, match="not signed by the owner"):
        read("certificate", signed(body, purpose=purpose, place=place, recipient=recipient))


def test_signature_covers_bytes_not_what_they_say() -> None:
    body, _, signature = TEXTS["certificate"].partition(".")
    respelt = json.dumps(json.loads(decode(body))).encode()
    with pytest.raises(DocumentRefused, match="not signed"):
        read("certificate", f"{encode(respelt)}.{signature}")


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": 0},
        {"v": "1"},
        {"t": "certificates"},
        {"t": None},
        {"name": "fr/ont"},
        {"name": ""},
        {"name": "x" * 65},
        {"name": None},
        {"key": "x25519:" + HOLDER.public[8:]},
        {"key": HOLDER.public + " "},
        {"key": 1},
        {"serial": "short"},
        {"serial": "serial0/"},
        {"serial": None},
    ],
    ids=str,
)
def test_certificate_with_an_impossible_value_is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read("certificate", signed({**body_of("certificate"), **changes}))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"cameras": "front"},
        {"cameras": [1]},
        {"cameras": ["x"] * (CAMERAS_MAX + 1)},
        {"cameras": ["x" * 65]},
        {"rights": "view"},
        {"rights": ["view"] * 17},
        {"expires": -1},
        {"expires": True},
        {"expires": 1.5},
        {"expires": "2030"},
        {"expires": 10**12},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_grant_with_an_impossible_value_is_malformed(changes: dict[str, object]) -> None:
    text = signed({**body_of("grant"), **changes}, purpose=Purpose.GRANT, place="home/v1/v/front")
    with pytest.raises(DocumentRefused) as caught:
        read("grant", text)
    assert caught.value.code == "malformed"


def test_weak_key_is_vouched_for_by_nobody() -> None:
    weak = signing_key_text(b"\x01" + bytes(31))
    with pytest.raises(KeyUnusable):
        replace(CERTIFICATE, key=weak).issue(OWNER, "home")
    with pytest.raises(DocumentRefused, match="names no key"):
        read("certificate", signed({**body_of("certificate"), "key": weak}))


def test_unknown_fields_are_left_alone() -> None:
    assert read("certificate", signed({**body_of("certificate"), "later": [1]})) == CERTIFICATE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"x"', b"\xff", b'{"v":1,"v":1}', b"[" * 3000, b"NaN"]
)
def test_body_that_is_no_object_is_malformed(body: bytes) -> None:
    for kind in TEXTS:
        with pytest.raises(DocumentRefused):
            read(kind, signed(body))


@pytest.mark.parametrize("kind", TEXTS)
def test_oversize_is_refused_before_it_is_read(kind: str) -> None:
    with pytest.raises(DocumentRefused) as caught:
        read(kind, "A" * (DOCUMENT_MAX_CHARS + 1))
    assert caught.value.code == "too-large"


@settings(max_examples=300)
@given(
    st.text(max_size=80).map("~{}".format)  # hypothesis finds words of our own sentences, too
    | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{86}")
)
def test_rubbish_is_refused_and_never_repeated(text: str) -> None:
    for kind in TEXTS:
        with pytest.raises(DocumentRefused) as caught:
            read(kind, text)
        assert text not in str(caught.value)


@pytest.mark.parametrize(
    "impossible",
    [
        replace(CERTIFICATE, name="a/b"),
        replace(CERTIFICATE, serial="short"),
        replace(GRANT, cameras=("x",) * (CAMERAS_MAX + 1)),
        replace(GRANT, cameras=("x" * 65,)),
        replace(GRANT, cameras=tuple(str(number) * 64 for number in range(CAMERAS_MAX))),
        replace(GRANT, expires=-1),
        replace(GRANT, rights=("view",) * 17),
    ],
    ids=lambda document: type(document).__name__,
)
def test_what_nobody_would_take_is_not_issued(impossible: Certificate | Grant) -> None:
    with pytest.raises(DocumentRefused):
        impossible.issue(OWNER, "home")


def test_impossible_namespace_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        CERTIFICATE.issue(OWNER, "a/b")


@pytest.mark.parametrize(
    ("patterns", "covered", "not_covered"),
    [
        (("front",), "front", ("Front", "front-1", "fron", "")),
        (("garden-*",), "garden-", ("garden", "my-garden-1")),
        (("cam?",), "cam7", ("cam", "cam77")),
        (("*",), "anything", ()),
        (("a*", "b*"), "b", ("c",)),
        (("[f]ront", "{front}", "!x", "front\n", "fr.nt", ""), None, ("front", "x", "")),
        ((), None, ("front", "")),
    ],
)
def test_pattern_means_stars_and_question_marks_and_nothing_else(
    patterns: tuple[str, ...], covered: str | None, not_covered: tuple[str, ...]
) -> None:
    grant = replace(GRANT, cameras=patterns)
    assert covered is None or grant.covers(covered)
    assert not any(grant.covers(name) for name in not_covered)


def test_pattern_is_an_id_with_stars_and_question_marks() -> None:
    assert all(map(is_pattern, ("*", "a?c", "front", "x" * 64)))
    assert not any(map(is_pattern, ("", "x" * 65, "a b", "[a]", "a/b", "a\n", "é")))


def test_serial_is_made_of_six_bytes() -> None:
    assert new_serial(bytes(6)) == "AAAAAAAA"
    for count in (0, 5, 7):
        with pytest.raises(ValueError, match="6 random bytes"):
            new_serial(bytes(count))
