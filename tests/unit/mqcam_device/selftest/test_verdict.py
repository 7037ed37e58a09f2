from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam_device.selftest.figures import RateStep
from mqcam_device.selftest.power import Throttling
from mqcam_device.selftest.verdict import HOT_C, Verdict, judge
from mqcam_device.selftest.wifi import Network
from support.trials import ACCOUNT, MACHINE, STREAM, account

SLEEPY = Network(interface="wlan0", is_wireless=True, power_save=True)


def test_a_good_camera_is_praised_with_its_figures() -> None:
    verdict = judge(ACCOUNT, MACHINE)
    assert verdict.is_good
    assert verdict.findings == ()
    assert verdict.text == ("good: 1280x720 at 30 pictures per second, 12 ms after they were taken")


def test_a_network_camera_is_not_praised_for_a_delay_that_cannot_be_seen_here() -> None:
    verdict = judge(replace(ACCOUNT, kind="rtsp"), MACHINE)
    assert verdict.text == "good: 1280x720 at 30 pictures per second, 12 ms after they came here"


def test_an_old_picture_of_a_network_camera_is_not_cured_by_a_key_that_it_has_not() -> None:
    verdict = judge(replace(account(age_p50_ms=400.0), kind="rtsp"), MACHINE)
    assert "400 ms after they came here" in verdict.text
    assert "video.size" not in verdict.text


def bad(verdict: Verdict) -> str:
    """Return the text of a verdict that must be bad."""
    assert not verdict.is_good
    return verdict.text


def test_no_picture_is_the_worst() -> None:
    silent = account(
        fps=None, age_p50_ms=None, age_p95_ms=None, first_ms=None, keyframes_ms=(), steps=()
    )
    machine = replace(MACHINE, network=SLEEPY, throttling=Throttling(bits=1 << 16))
    verdict = judge(silent, machine)
    assert "no picture came" in bad(verdict)
    assert [each.row for each in verdict.findings] == ["picture", "power", "network"]


@pytest.mark.parametrize(
    ("bits", "when"), [(1, "at this moment"), (1 << 16, "since it was started")]
)
def test_under_voltage_wants_another_supply(bits: int, when: str) -> None:
    text = bad(judge(ACCOUNT, replace(MACHINE, throttling=Throttling(bits=bits))))
    assert when in text
    assert "5.1 V" in text


def test_a_board_that_was_slowed_down_before_is_only_a_hint() -> None:
    verdict = judge(ACCOUNT, replace(MACHINE, throttling=Throttling(bits=1 << 17)))
    assert verdict.is_good
    assert "; but the firmware has slowed" in verdict.text


@pytest.mark.parametrize(
    "machine",
    [
        replace(MACHINE, temperature_c=HOT_C),
        replace(MACHINE, throttling=Throttling(bits=1 << 2)),
        replace(MACHINE, throttling=Throttling(bits=1 << 3)),
    ],
)
def test_heat_wants_a_fan(machine: object) -> None:
    assert "heat sink" in bad(judge(ACCOUNT, machine))  # type: ignore[arg-type]


def test_a_warm_board_is_fine() -> None:
    assert judge(ACCOUNT, replace(MACHINE, temperature_c=79.9)).findings == ()


@pytest.mark.parametrize("busy", [{"capture_cores": 0.95}, {"machine_cores": 3.9}])
def test_few_pictures_of_a_busy_processor_want_a_smaller_size(busy: dict[str, float]) -> None:
    text = bad(judge(account(fps=12.0, **busy), MACHINE))
    assert text.startswith("the camera gives 12 of 30 pictures per second, because")
    assert "video.size" in text


def test_few_pictures_of_an_idle_processor_want_what_the_camera_has() -> None:
    assert "mqcam-device cameras" in bad(judge(account(fps=12.0), MACHINE))


def test_few_pictures_in_the_dark_are_no_fault() -> None:
    night = account(replace(STREAM, fps_min=5.0), fps=5.1)
    verdict = judge(night, MACHINE)
    assert verdict.is_good
    assert "video.fps_min" in verdict.text


def test_fewer_pictures_than_in_the_dark_are_one() -> None:
    night = account(replace(STREAM, fps_min=10.0), fps=5.0)
    assert not judge(night, MACHINE).is_good


@pytest.mark.parametrize(
    ("fps", "age_ms", "is_good"),
    [(30.0, 149.0, True), (30.0, 151.0, False), (5.0, 700.0, True), (5.0, 900.0, False)],
)
def test_how_old_pictures_may_be_depends_on_their_rate(
    fps: float, age_ms: float, *, is_good: bool
) -> None:
    stream = replace(STREAM, fps_min=fps, fps_max=fps)
    assert judge(account(stream, fps=fps, age_p50_ms=age_ms), MACHINE).is_good is is_good


def test_keyframes_that_do_not_come_name_the_version_that_makes_them() -> None:
    text = bad(judge(account(keyframes_ms=(20.0,), keyframes_missed=2), MACHINE))
    assert text.startswith("2 of 3 keyframes did not come")
    assert "0.3.32" in text


def test_slow_keyframes_are_a_hint() -> None:
    verdict = judge(account(keyframes_ms=(20.0, 300.0)), MACHINE)
    assert verdict.is_good
    assert "up to 300 ms" in verdict.text


def test_an_encoder_that_makes_more_than_it_was_told_is_bad() -> None:
    step = RateStep(asked_bps=750_000, reached_bps=901_000)
    assert "0.9 Mbit/s where 0.8 were asked for" in bad(judge(account(steps=(step,)), MACHINE))


def test_an_encoder_that_needs_less_is_good() -> None:
    step = RateStep(asked_bps=1_500_000, reached_bps=100_000)
    assert judge(account(steps=(step,)), MACHINE).findings == ()


def test_a_radio_that_sleeps_is_woken_with_a_command() -> None:
    text = bad(judge(ACCOUNT, replace(MACHINE, network=SLEEPY)))
    assert "sudo iw dev wlan0 set power_save off" in text


@pytest.mark.parametrize("state", [False, None])
def test_a_radio_that_is_awake_or_unknown_is_left_alone(state: bool | None) -> None:
    machine = replace(MACHINE, network=replace(SLEEPY, power_save=state))
    assert judge(ACCOUNT, machine).findings == ()


@pytest.mark.parametrize(
    ("figures", "row"),
    [
        ({"first_ms": 6000.0}, "first picture"),
        ({"capture_cores": 0.95}, "processor"),
        ({"machine_cores": 3.7}, "processor"),
        ({"capture_pss_bytes": 170_000_000}, "memory"),
    ],
)
def test_what_does_not_spoil_video_is_a_hint(figures: dict[str, float], row: str) -> None:
    verdict = judge(account(**figures), MACHINE)
    assert verdict.is_good
    assert [each.row for each in verdict.findings] == [row]


def test_lost_pictures_are_bad() -> None:
    assert "3 pictures were lost" in bad(judge(account(lost=3), MACHINE))


def test_what_spoils_comes_before_hints() -> None:
    machine = replace(MACHINE, network=SLEEPY)
    verdict = judge(account(keyframes_ms=(500.0,)), machine)
    assert [each.row for each in verdict.findings] == ["network", "keyframe"]
    assert "Wi-Fi" in bad(verdict)


def test_hardware_that_encodes_has_no_core_to_fill() -> None:
    hardware = replace(STREAM, encoder="v4l2:bcm2835-codec")
    assert judge(account(hardware, capture_cores=0.95), MACHINE).findings == ()
