"""From what was found on this machine to what is wrong with it, and what to change.

It must not know how anything was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mqcam_device.selftest import power

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam_device.selftest.figures import Account
    from mqcam_device.selftest.power import Throttling
    from mqcam_device.selftest.wifi import Network

_MB: Final = 1_000_000
_SOFTWARE: Final = "x264"


FPS_SHARE: Final = 0.9
"""Of the pictures announced; fewer are seen as jerks."""

AGE_FRAMES: Final = 4.0
AGE_MS: Final = 150.0
"""One interval to expose, about 1.5 in a Pi's encoder (issue 6's evidence, 1.5), and as much
again; or 150 ms, which a person who waves at the camera begins to notice."""

KEYFRAME_FRAMES: Final = 2.0
KEYFRAME_MS: Final = 40.0
"""Two intervals and the encoding (issue 6), on top of the age that every picture has."""

RATE_EXCESS: Final = 0.2
"""How far above the wish an encoder may be after 2 s (issue 6); below is no fault, because a still
picture needs less."""

FIRST_MS: Final = 5000.0
"""A viewer who waits longer gives up."""

CORE_SHARE: Final = 0.9
"""A thread that encodes cannot use more than one core."""

MACHINE_SHARE: Final = 0.9
MEMORY_BYTES: Final = 180_000_000
"""Agent and capture child together (issue 6: a Pi Zero 2 W has 512 MB)."""

HOT_C: Final = 80.0
"""From here on the firmware slows the processor down (Raspberry Pi's documentation)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found beside the pictures; None: not to be found out here.

    ``camera`` are model and id of the camera, where it has any.
    """

    camera: str = ""
    model: str = ""
    cores: int = 1
    throttling: Throttling | None = None
    temperature_c: float | None = None
    network: Network | None = None
    ciphers: tuple[str, ...] = ()
    """What viewers are offered, best first."""
    ciphers_us: Mapping[str, float] = field(default_factory=dict)
    """Microseconds to encrypt a packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be, with what to change; ``row`` is where it shows."""

    row: str
    text: str
    spoils: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sentence for a person, and all that was found, the worst first."""

    text: str
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Tell whether nothing was found that spoils the video."""
        return not any(each.spoils for each in self.findings)


def judge(account: Account, machine: Machine) -> Verdict:
    """Return the verdict on a camera and its machine."""
    found = [rule(account, machine) for rule in _RULES]
    findings = sorted(
        (finding for finding in found if finding is not None), key=lambda each: not each.spoils
    )
    if findings and findings[0].spoils:
        return Verdict(text=findings[0].text, findings=tuple(findings))
    text = _praise(account)
    if findings:
        text += f"; but {findings[0].text}"
    return Verdict(text=text, findings=tuple(findings))


def _praise(account: Account) -> str:
    stream, figures = account.stream, account.figures
    text = f"good: {stream.width}x{stream.height} at {figures.fps or 0:.0f} pictures per second"
    if figures.age_p50_ms is not None:
        since = "came here" if account.is_remote else "were taken"
        text += f", {figures.age_p50_ms:.0f} ms after they {since}"
    return text


def _no_picture(account: Account, _machine: Machine) -> Finding | None:
    if account.figures.fps is not None:
        return None
    text = (
        "no picture came: look at the camera's cable, and at what the agent's log says of it "
        "(journalctl -u mqcam-device)"
    )
    return Finding(row="picture", text=text)


def _under_voltage(_account: Account, machine: Machine) -> Finding | None:
    throttling = machine.throttling
    if throttling is None or not throttling.has_been(power.UNDER_VOLTAGE):
        return None
    when = "at this moment" if throttling.is_now(power.UNDER_VOLTAGE) else "since it was started"
    text = f"this board has had too little voltage {when}: use the official 5.1 V supply, and"
    return Finding(row="power", text=f"{text} a short, thick cable")


def _too_hot(_account: Account, machine: Machine) -> Finding | None:
    throttling, temperature_c = machine.throttling, machine.temperature_c
    is_slowed = throttling is not None and any(
        throttling.is_now(bit) for bit in (power.THROTTLED, power.SOFT_LIMIT)
    )
    if not is_slowed and (temperature_c is None or temperature_c < HOT_C):
        return None
    said = (
        "the board is too hot"
        if temperature_c is None
        else f"the board is {temperature_c:.0f} °C hot"
    )
    text = f"{said} and slows down: give it a heat sink or a fan, or a smaller video.size"
    return Finding(row="temperature", text=text)


def _too_few(account: Account, machine: Machine) -> Finding | None:
    stream, figures = account.stream, account.figures
    if figures.fps is None or figures.fps >= stream.fps_max * FPS_SHARE:
        return None
    short = f"the camera gives {figures.fps:.0f} of {stream.fps_max:.0f} pictures per second"
    is_busy = _is_encoder_busy(account) or _is_machine_busy(account, machine)
    if is_busy:
        text = f"{short}, because the processor is busy: choose a smaller video.size or video.fps"
        return Finding(row="picture", text=text)
    if figures.fps >= stream.fps_min * FPS_SHARE:
        text = (
            f"{short}: in the dark it takes its time; give it light, or set video.fps_min to the "
            "least that you want"
        )
        return Finding(row="picture", text=text, spoils=False)
    text = f"{short}: choose a video.size and video.fps that it has (mqcam-device cameras)"
    return Finding(row="picture", text=text)


def _too_old(account: Account, _machine: Machine) -> Finding | None:
    figures = account.figures
    if figures.age_p50_ms is None:
        return None
    limit_ms = max(AGE_MS, AGE_FRAMES * _interval_ms(account))
    if figures.age_p50_ms <= limit_ms:
        return None
    if account.is_remote:
        text = f"pictures reach the agent {figures.age_p50_ms:.0f} ms after they came here: see"
        return Finding(row="age", text=f"{text} what else this machine does")
    text = (
        f"pictures are {figures.age_p50_ms:.0f} ms old when they leave the encoder: choose a "
        "smaller video.size, or see what else this machine does"
    )
    return Finding(row="age", text=text)


def _slow_keyframes(account: Account, _machine: Machine) -> Finding | None:
    figures = account.figures
    if figures.keyframes_missed:
        asked = len(figures.keyframes_ms) + figures.keyframes_missed
        text = (
            f"{figures.keyframes_missed} of {asked} keyframes did not come when they were asked "
            "for: whoever joins waits. With a Pi camera, update picamera2 to 0.3.32 or newer"
        )
        return Finding(row="keyframe", text=text)
    if not figures.keyframes_ms:
        return None
    slowest_ms = max(figures.keyframes_ms)
    limit_ms = KEYFRAME_FRAMES * _interval_ms(account) + KEYFRAME_MS + (figures.age_p95_ms or 0.0)
    if slowest_ms <= limit_ms:
        return None
    text = f"a keyframe takes up to {slowest_ms:.0f} ms: a smaller video.size makes it quicker"
    return Finding(row="keyframe", text=text, spoils=False)


def _loose_rate(account: Account, _machine: Machine) -> Finding | None:
    for step in account.figures.steps:
        if step.reached_bps > step.asked_bps * (1 + RATE_EXCESS):
            text = (
                f"the encoder makes {step.reached_bps / _MB:.1f} Mbit/s where "
                f"{step.asked_bps / _MB:.1f} were asked for: choose a smaller video.size, or slow "
                "networks will not keep up"
            )
            return Finding(row="bit rate", text=text)
    return None


def _sleepy_radio(_account: Account, machine: Machine) -> Finding | None:
    network = machine.network
    if network is None or not network.power_save:
        return None
    text = (
        "the Wi-Fi sleeps between packets, which delays viewers by a tenth of a second and more: "
        f"sudo iw dev {network.interface} set power_save off"
    )
    return Finding(row="network", text=text)


def _late_start(account: Account, _machine: Machine) -> Finding | None:
    first_ms = account.figures.first_ms
    if first_ms is None or first_ms <= FIRST_MS:
        return None
    text = f"the first picture takes {first_ms / 1000:.1f} s: leave source.idle_stop_s out"
    return Finding(row="first picture", text=text, spoils=False)


def _losses(account: Account, _machine: Machine) -> Finding | None:
    if not account.figures.lost:
        return None
    text = (
        f"{account.figures.lost} pictures were lost between camera and agent: this machine is too "
        "busy; choose a smaller video.size or video.fps"
    )
    return Finding(row="picture", text=text)


def _capped(_account: Account, machine: Machine) -> Finding | None:
    throttling = machine.throttling
    bits = (power.FREQUENCY_CAPPED, power.THROTTLED, power.SOFT_LIMIT)
    if throttling is None or not any(throttling.has_been(bit) for bit in bits):
        return None
    text = "the firmware has slowed this board down since it was started: watch its heat"
    return Finding(row="power", text=text, spoils=False)


def _busy(account: Account, machine: Machine) -> Finding | None:
    if _is_machine_busy(account, machine):
        text = "the processor has nothing left: stop what else runs, or choose a smaller video.size"
    elif _is_encoder_busy(account):
        text = "the encoder fills its core: a smaller video.size leaves room for busier pictures"
    else:
        return None
    return Finding(row="processor", text=text, spoils=False)


def _memory(account: Account, _machine: Machine) -> Finding | None:
    sizes = (account.figures.agent_pss_bytes, account.figures.capture_pss_bytes)
    total = sum(size or 0 for size in sizes)
    if total <= MEMORY_BYTES:
        return None
    text = f"agent and camera take {total / _MB:.0f} MB of memory: a smaller video.size needs less"
    return Finding(row="memory", text=text, spoils=False)


_RULES: Final[tuple[Callable[[Account, Machine], Finding | None], ...]] = (
    _no_picture,
    _under_voltage,
    _too_hot,
    _too_few,
    _losses,
    _too_old,
    _slow_keyframes,
    _loose_rate,
    _sleepy_radio,
    _late_start,
    _capped,
    _busy,
    _memory,
)
"""The worst first: what is behind the others stands before them."""


def _interval_ms(account: Account) -> float:
    return 1000 / max(account.figures.fps or account.stream.fps_max, 1.0)


def _is_encoder_busy(account: Account) -> bool:
    used = account.figures.capture_cores
    is_software = _SOFTWARE in account.stream.encoder
    return is_software and used is not None and used >= CORE_SHARE


def _is_machine_busy(account: Account, machine: Machine) -> bool:
    used = account.figures.machine_cores
    return used is not None and used >= machine.cores * MACHINE_SHARE
