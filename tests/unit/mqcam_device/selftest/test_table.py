from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam_device.selftest.power import Throttling
from mqcam_device.selftest.table import table
from mqcam_device.selftest.verdict import Machine, judge
from mqcam_device.selftest.wifi import Network
from support.trials import ACCOUNT, MACHINE, STREAM, account

ROWS = (
    "camera",
    "encoder",
    "profile",
    "picture",
    "first picture",
    "age",
    "keyframe",
    "bit rate",
    "processor",
    "memory",
    "temperature",
    "power",
    "network",
    "encryption",
)


def rows(
    of: object = ACCOUNT, machine: Machine = MACHINE, *, is_borrowed: bool = True
) -> dict[str, str]:
    """Return the table by its labels, which stand in one column."""
    text = table(of, machine, judge(of, machine), is_borrowed=is_borrowed)  # type: ignore[arg-type]
    lines = text.splitlines()
    assert {line[16] for line in lines} == {" "}
    return {line[2:16].strip(): line[17:] for line in lines}


def test_every_row_is_there_in_its_order() -> None:
    assert tuple(rows()) == ROWS
    assert "" not in rows().values()


def test_a_camera_of_which_nothing_is_known_has_every_row_too() -> None:
    silent = account(
        **dict.fromkeys(
            ("first_ms", "fps", "bitrate_bps", "age_p50_ms", "age_p95_ms", "machine_cores")
        ),
        keyframes_ms=(),
        steps=(),
        agent_cores=None,
        capture_cores=None,
        agent_pss_bytes=None,
        capture_pss_bytes=None,
    )
    found = rows(silent, Machine())
    assert tuple(found) == ROWS
    assert found["picture"] == "1280x720, but none came"
    for row in ("first picture", "age", "keyframe", "memory", "temperature", "power"):
        assert found[row] == "n/a"


def test_the_age_of_a_network_cameras_picture_counts_from_its_arrival_and_says_so() -> None:
    distant = replace(ACCOUNT, kind="rtsp")
    assert "from capture" in rows(ACCOUNT)["age"]
    assert "from its arrival here to the agent" in rows(distant)["age"]
    assert "what camera and network took is not known" in rows(distant)["age"]


def test_what_the_verdict_complains_of_is_marked() -> None:
    machine = replace(
        MACHINE, network=Network(interface="wlan0", is_wireless=True, power_save=True)
    )
    text = table(ACCOUNT, machine, judge(ACCOUNT, machine), is_borrowed=True)
    assert [line for line in text.splitlines() if line.startswith("!")] == [
        "! network        wlan0, Wi-Fi, power save on"
    ]


def test_a_camera_is_named_by_what_was_found() -> None:
    named = replace(ACCOUNT, camera="/base/x")
    assert rows(named)["camera"] == "picamera /base/x"
    assert rows(named, replace(MACHINE, camera="imx708, /base/x"))["camera"] == "imx708, /base/x"


@pytest.mark.parametrize(
    ("watchers", "is_borrowed", "words"),
    [
        (0, False, "camera and encoder were started"),
        (0, True, "the encoder was woken"),
        (1, True, "a running stream was joined"),
    ],
)
def test_the_first_picture_says_what_it_waited_for(
    watchers: int, *, is_borrowed: bool, words: str
) -> None:
    found = rows(replace(ACCOUNT, watchers=watchers), is_borrowed=is_borrowed)
    assert found["first picture"] == f"200 ms after {words}"


def test_a_rate_that_goes_down_in_the_dark_and_a_turned_picture_are_said() -> None:
    stream = replace(STREAM, fps_min=5.0, rotation=90)
    assert rows(account(stream))["picture"] == (
        "1280x720, 30.0 per second of 30, 5 in the dark, to be turned by 90°"
    )


def test_why_the_bit_rate_was_left_alone_is_said() -> None:
    found = rows(account(steps=(), steps_skipped="2 are watching"))
    assert found["bit rate"] == "1.50 Mbit/s; not changed: 2 are watching"


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0, "good since boot"),
        (1, "now: too little voltage"),
        (1 << 16, "since boot: too little voltage"),
        (1 << 1 | 1 << 18, "now: frequency capped; since boot: slowed down"),
    ],
)
def test_the_words_of_the_firmware(bits: int, words: str) -> None:
    assert rows(machine=replace(MACHINE, throttling=Throttling(bits=bits)))["power"] == words


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (None, "no default route"),
        (Network(interface="eth0", is_wireless=False), "eth0, wired"),
        (Network(interface="wlan0", is_wireless=True), "wlan0, Wi-Fi, power save n/a"),
        (
            Network(interface="wlan0", is_wireless=True, power_save=False),
            "wlan0, Wi-Fi, power save off",
        ),
    ],
)
def test_the_network_is_named(network: Network | None, words: str) -> None:
    assert rows(machine=replace(MACHINE, network=network))["network"] == words


GCM, COUNTER = "SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"
TIMES = {GCM: 5.04, COUNTER: 2.0}


@pytest.mark.parametrize(
    ("ciphers", "times", "words"),
    [
        ((COUNTER,), {}, "AES-128-CM"),
        (
            (COUNTER,),
            TIMES,
            "AES-128-CM 2.0 µs per packet; not offered: AES-128-GCM 5.0 µs per packet",
        ),
        (
            (GCM, COUNTER),
            TIMES,
            "AES-128-GCM 5.0 µs per packet, else AES-128-CM 2.0 µs per packet",
        ),
    ],
)
def test_ciphers_stand_in_the_order_in_which_they_are_offered(
    ciphers: tuple[str, ...], times: dict[str, float], words: str
) -> None:
    machine = replace(MACHINE, ciphers=ciphers, ciphers_us=times)
    assert rows(machine=machine)["encryption"] == words
