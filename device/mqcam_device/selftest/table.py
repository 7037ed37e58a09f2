"""A selftest's table, for a terminal.

It must not know how anything was measured or judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqcam.ciphers import COUNTER, GCM

from mqcam_device.selftest import power
from mqcam_device.selftest.profiles import profile_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam_device.selftest.figures import Account, Figures
    from mqcam_device.selftest.verdict import Machine, Verdict

HARDWARE: Final = "v4l2"
SOFTWARE: Final = "x264"
CIPHERS: Final = {
    GCM.decode("ascii"): "AES-128-GCM",
    COUNTER.decode("ascii"): "AES-128-CM",
}
UNKNOWN: Final = "n/a"
_LABEL: Final = 14
_MB: Final = 1_000_000
_WORDS: Final = {
    power.UNDER_VOLTAGE: "too little voltage",
    power.FREQUENCY_CAPPED: "frequency capped",
    power.THROTTLED: "slowed down",
    power.SOFT_LIMIT: "near the heat limit",
}


def table(account: Account, machine: Machine, verdict: Verdict, *, is_borrowed: bool) -> str:
    """Return the lines of the table; a ``!`` stands before what the verdict complains of."""
    marked = {finding.row for finding in verdict.findings}
    rows = (
        ("camera", machine.camera or " ".join(filter(None, (account.kind, account.camera)))),
        *_stream_rows(account, is_borrowed=is_borrowed),
        *_machine_rows(account, machine),
    )
    return "\n".join(
        f"{'!' if label in marked else ' '} {label:{_LABEL}} {text}" for label, text in rows
    )


def _stream_rows(account: Account, *, is_borrowed: bool) -> Iterator[tuple[str, str]]:
    stream, figures = account.stream, account.figures
    yield "encoder", _encoder(stream.encoder)
    profile = figures.profile_level_id or stream.profile_level_id
    yield "profile", f"{profile_words(profile)} ({profile})"
    yield "picture", _picture(account)
    yield "first picture", _first(account, is_borrowed=is_borrowed)
    yield "age", _age(account)
    yield "keyframe", _keyframes(account)
    yield "bit rate", _rates(figures)


def _machine_rows(account: Account, machine: Machine) -> Iterator[tuple[str, str]]:
    figures = account.figures
    if machine.model:
        yield "board", machine.model
    yield "processor", _processor(figures, machine)
    yield "memory", _memory(figures)
    heat = machine.temperature_c
    yield "temperature", UNKNOWN if heat is None else f"{heat:.0f} °C"
    yield "power", _power(machine)
    yield "network", _network(machine)
    yield "encryption", _encryption(machine)


def _encoder(name: str) -> str:
    if name.startswith(HARDWARE):
        return f"{name}, of the hardware"
    return f"{name}, in software" if SOFTWARE in name else name


def _picture(account: Account) -> str:
    stream, fps = account.stream, account.figures.fps
    size = f"{stream.width}x{stream.height}"
    if fps is None:
        return f"{size}, but none came"
    dark = f", {stream.fps_min:g} in the dark" if stream.fps_min < stream.fps_max else ""
    turned = f", to be turned by {stream.rotation}°" if stream.rotation else ""
    return f"{size}, {fps:.1f} per second of {stream.fps_max:g}{dark}{turned}"


def _first(account: Account, *, is_borrowed: bool) -> str:
    first_ms = account.figures.first_ms
    if first_ms is None:
        return UNKNOWN
    since = "camera and encoder were started"
    if is_borrowed:
        since = "the encoder was woken" if not account.watchers else "a running stream was joined"
    return f"{first_ms:.0f} ms after {since}"


def _age(account: Account) -> str:
    figures = account.figures
    if figures.age_p50_ms is None or figures.age_p95_ms is None:
        return UNKNOWN
    since = "its arrival here" if account.is_remote else "capture"
    unseen = "; what camera and network took is not known" if account.is_remote else ""
    return (
        f"{figures.age_p50_ms:.1f} ms from {since} to the agent; one in 20 takes more than "
        f"{figures.age_p95_ms:.1f} ms{unseen}"
    )


def _keyframes(account: Account) -> str:
    figures = account.figures
    if not account.stream.can_force_keyframe:
        return f"{UNKNOWN}: this camera makes them when it likes"
    if not figures.keyframes_ms:
        return "asked for, none came" if figures.keyframes_missed else UNKNOWN
    times = sorted(figures.keyframes_ms)
    typical = times[len(times) // 2]
    asked = len(times) + figures.keyframes_missed
    missing = f", {figures.keyframes_missed} of {asked} missing" if figures.keyframes_missed else ""
    if len(times) == 1:
        return f"{typical:.0f} ms after it was asked for{missing}"
    return (
        f"{typical:.0f} ms after it was asked for, {times[-1]:.0f} ms at most of {asked}{missing}"
    )


def _rates(figures: Figures) -> str:
    steps = ", ".join(
        f"{step.reached_bps / _MB:.2f} of {step.asked_bps / _MB:.2f}" for step in figures.steps
    )
    now = UNKNOWN if figures.bitrate_bps is None else f"{figures.bitrate_bps / _MB:.2f} Mbit/s"
    if steps:
        now += f"; within 2 s after a change: {steps}"
    if figures.steps_skipped:
        now += f"; not changed: {figures.steps_skipped}"
    return now


def _processor(figures: Figures, machine: Machine) -> str:
    parts = [
        f"{name} {used:.0%}"
        for name, used in (("agent", figures.agent_cores), ("camera", figures.capture_cores))
        if used is not None
    ]
    text = f"{', '.join(parts)} of one core" if parts else UNKNOWN
    if figures.machine_cores is not None:
        share = figures.machine_cores / machine.cores
        many = f"{machine.cores} core{'s' if machine.cores > 1 else ''}"
        text += f"; everything together {share:.0%} of {many}"
    return text


def _memory(figures: Figures) -> str:
    parts = [
        f"{name} {size / _MB:.0f} MB"
        for name, size in (
            ("agent", figures.agent_pss_bytes),
            ("camera", figures.capture_pss_bytes),
        )
        if size is not None
    ]
    return ", ".join(parts) or UNKNOWN


def _power(machine: Machine) -> str:
    throttling = machine.throttling
    if throttling is None:
        return UNKNOWN
    now = [words for bit, words in _WORDS.items() if throttling.is_now(bit)]
    before = [
        words
        for bit, words in _WORDS.items()
        if throttling.has_been(bit) and not throttling.is_now(bit)
    ]
    parts = [f"now: {', '.join(now)}"] if now else []
    if before:
        parts.append(f"since boot: {', '.join(before)}")
    return "; ".join(parts) or "good since boot"


def _network(machine: Machine) -> str:
    network = machine.network
    if network is None:
        return "no default route"
    if not network.is_wireless:
        return f"{network.interface}, wired"
    sleep = {True: "on", False: "off", None: UNKNOWN}[network.power_save]
    return f"{network.interface}, Wi-Fi, power save {sleep}"


def _encryption(machine: Machine) -> str:
    """Name the offered ciphers in their order, and what others would cost."""
    offered = [_cipher(name, machine) for name in machine.ciphers]
    others = [_cipher(name, machine) for name in machine.ciphers_us if name not in machine.ciphers]
    text = ", else ".join(offered) or UNKNOWN
    return f"{text}; not offered: {', '.join(others)}" if others else text


def _cipher(name: str, machine: Machine) -> str:
    word = CIPHERS.get(name, name)
    took_us = machine.ciphers_us.get(name)
    return word if took_us is None else f"{word} {took_us:.1f} µs per packet"
