"""What no log may hold is taken out of any text, and ordinary words stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.redaction import HIDDEN, MAX_LENGTH, Redactor, is_secret, spoken

SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\na=ice-ufrag:abcd\r\na=ice-pwd:verysecretpwd\r\n"
    "a=fingerprint:sha-256 AA:BB\r\na=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n"
)
TEXT = Redactor().text


@pytest.mark.parametrize("written", [SDP, repr(SDP), SDP.replace("\r\n", "\n"), repr(SDP.encode())])
def test_sdp_is_hidden_however_it_is_written(written: str) -> None:
    shown = TEXT(f"offer {written} end")
    for secret in ("192.0.2.7", "verysecretpwd", "abcd", "AA:BB", "typ host"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to 192.0.2.1:8883", "to [address]:8883"),
        ("from 192.0.2.1.", "from [address]."),
        ("at [2001:db8::1]:80", "at [[address]]:80"),
        ("via fe80::1%eth0 now", "via [address] now"),
        ("::ffff:192.0.2.1", "[address]"),
        ("host 01234567-89ab-cdef-0123-456789abcdef.local", "host [address]"),
        ("candidate:1 1 udp 99 192.0.2.1 5 typ host", "[candidate]"),
        ("mqtts://user:pw@nas:8883", "mqtts://[redacted]@nas:8883"),
        ("password=abc next", "password=[redacted] next"),
        ('{"password": "a b", "n": 1}', '{"password": [redacted], "n": 1}'),
        ("{'ice_pwd': 'a b'}", "{'ice_pwd': [redacted]}"),
        ("Token: abcdef", "Token: [redacted]"),
        ("Bearer abcdefghi", "Bearer"[:0] + "[redacted]"),
        ("key ed25519:AbC+/=", "key [redacted]"),
        ("bad ed25519-secret:AbC_-", "bad ed25519-secret:[redacted]"),
        ("line MQCAM:PDPMLCGODAMHB234", "line [redacted]"),
        ("sha-256 " + ":".join(["AB"] * 32), "sha-256 [fingerprint]"),
        ("-----BEGIN X KEY-----\nabc\n-----END X KEY----- x", "[pem] x"),
        ("-----BEGIN X KEY-----\nabc", "[pem]"),
    ],
)
def test_secret_is_hidden(text: str, shown: str) -> None:
    assert TEXT(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "at 12:34:56.789 std::vector",
        "127.0.0.1:1883 and [::1]:1883",
        "keyframe=3 monkey=4 keys 5",
        "viewer connected session=abc path=direct first_frame_ms=210",
        "aiortc 1.16 or 1.2.3 wanted",
        "credentials: /etc/mqcam/credentials.yaml",
        "999.999.999.999 is no address",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert TEXT(text) == text


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    redact = Redactor(["hunter22", "hunter22-and-more", "no"]).text
    assert redact("xhunter22y hunter22-and-more, no") == f"x{HIDDEN}y {HIDDEN}, no"


@pytest.mark.parametrize("name", ["password", "KEY", "seal_key", "token", "nonce", "sdp"])
def test_field_with_a_telling_name_is_hidden(name: str) -> None:
    assert Redactor().field(name, "abc") == HIDDEN


def test_field_that_is_a_number_stays_a_number() -> None:
    assert [Redactor().field("rtt_ms", each) for each in (1, 2.5, True, None)] == [
        1,
        2.5,
        True,
        None,
    ]


def test_text_of_a_field_is_redacted() -> None:
    assert Redactor().field("broker", "mqtt://192.0.2.1") == "mqtt://[address]"


def test_long_text_is_cut() -> None:
    assert len(TEXT("x" * 10 * MAX_LENGTH)) < MAX_LENGTH + 30


@pytest.mark.parametrize(
    "piece",
    ["a=b", ":", "v=0\n", "password", "key \t", "1.", "a:", "aa:", "://", " ", "-----BEGIN A"],
)
def test_hostile_text_costs_little(piece: str) -> None:
    """A regular expression that backtracks would turn a long message into a stalled video."""
    text = (piece * MAX_LENGTH)[:MAX_LENGTH]
    begun = time.process_time()
    TEXT(text)
    spoken(text)
    is_secret(text)
    assert time.process_time() - begun < 0.5


@given(st.text())
def test_any_text_is_redacted_without_error(text: str) -> None:
    TEXT(text)


@given(st.ip_addresses().filter(lambda address: not address.is_loopback))
def test_any_address_is_hidden(address: object) -> None:
    assert str(address) not in TEXT(f"peer {address} gone").replace("[address]", "")


KEY = "ed25519-secret:q9Zt0fXw4mLr7JcS2vYb5NdKx8HaPe3GuTi6oWQsE1k"
BASE64 = "q9Zt0fXw4mLr7JcS2vYb5NdKx8HaPe3GuTi6oWQsE1k"
LINE = "MQCAM:" + "PDPMLCGODAMHB234" * 6
FILE = "# mqcam\nkind: viewer\nname: anna\npassword: hunter22\n"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        *(KEY, f"--owner-key={KEY}", f"x{KEY}"),
        *(BASE64, f"--name={BASE64}", f"{BASE64}\n"),
        *(
            LINE,
            LINE.lower(),
            f"x{LINE}",
            LINE.removeprefix("MQCAM:"),
            f"--from={LINE[6:].lower()}",
        ),
        *(FILE, PEM, '{"kind": "viewer", "password": "hunter22"}', "{password: hunter22}"),
    ],
)
def test_secret_is_recognised(text: str) -> None:
    assert is_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "front", "--name", "add-viewer", "view,talk,control", "*", "garden-*"),
        *("ed25519:" + BASE64, f"--public-key=ed25519:{BASE64}"),
        *("owner.key", "/media/stick/owner.key", "anna.viewer.yaml", "/run/user/1000/mqcam"),
        "/var/lib/docker/overlay2/3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
        "/srv/pytest-of-root/pytest-12/test_a_page_hears_that_its_cam0/device.yaml",
        *(
            "WIN-Hostname2024-Recordings-In-The-Garden-2",
            "MyCamFrontDoor2Recording",
        ),
        *("mqtts://nas.local:8883", "turn:relay.example.org?transport=tcp"),
    ],
)
def test_what_people_type_is_no_secret_and_stays(text: str) -> None:
    assert not is_secret(text)
    assert spoken(f"what is {text!r}?") == f"what is {text!r}?"


@pytest.mark.parametrize("secret", [KEY, BASE64, LINE, LINE.lower(), LINE[6:], PEM, BASE64[:24]])
def test_sentence_does_not_repeat_what_looks_like_a_secret(secret: str) -> None:
    for sentence in (f"what is {secret}?", f"'{secret}' is no name", f"./{secret}: no such file"):
        said = spoken(sentence)
        assert secret[10:20] not in said
        assert "[" in said


def test_sentence_keeps_public_keys_and_fingerprints() -> None:
    sentence = f"this is another owner's key (ed25519:{BASE64}, SHA256:{BASE64}); it is not yours"
    assert spoken(sentence) == sentence


@given(st.text())
def test_any_text_is_spoken_and_judged_without_error(text: str) -> None:
    spoken(text)
    is_secret(text)
