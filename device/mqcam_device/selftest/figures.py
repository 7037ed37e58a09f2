"""What a trial of a camera measured, and how that travels from the agent to the command.

It must not know how it was measured or what is good.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from mqcam.errors import ControlError

from mqcam_device.media import LayerInfo, StreamInfo

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class RateStep:
    """A bit rate that was asked for, and the mean in the last half of the time it was given."""

    asked_bps: int
    reached_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Times in milliseconds, processor time in cores; None: could not be measured.

    ``first_ms`` is from the wish to the first picture. The age of a picture is from its capture
    to its arrival at the agent. ``fps``, ``bitrate_bps`` and the processor's are means over
    ``steady_s`` undisturbed seconds.
    """

    first_ms: float | None = None
    profile_level_id: str = ""
    steady_s: float = 0.0
    fps: float | None = None
    bitrate_bps: int | None = None
    age_p50_ms: float | None = None
    age_p95_ms: float | None = None
    lost: int = 0
    keyframes_ms: tuple[float, ...] = ()
    keyframes_missed: int = 0
    steps: tuple[RateStep, ...] = ()
    steps_skipped: str = ""
    agent_cores: float | None = None
    capture_cores: float | None = None
    machine_cores: float | None = None
    agent_pss_bytes: int | None = None
    capture_pss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One whole trial: which source, what it announced, what was measured, how many looked on."""

    kind: str
    camera: str | None
    watchers: int
    stream: StreamInfo
    figures: Figures

    @property
    def is_remote(self) -> bool:
        """Whether pictures have a time only once they arrived here: a network camera's."""
        return self.kind == "rtsp"

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON has."""
        return asdict(self)


def account_from_json(record: Mapping[str, Any]) -> Account:
    """Read what a running agent sent; raises ControlError if it is of another release."""
    try:
        stream = dict(_exactly(StreamInfo, record["stream"]))
        smaller = tuple(LayerInfo(**_with_range(each)) for each in stream["smaller"])
        figures = dict(_exactly(Figures, record["figures"]))
        figures["keyframes_ms"] = tuple(figures["keyframes_ms"])
        figures["steps"] = tuple(RateStep(**each) for each in figures["steps"])
        return Account(
            **{
                **_exactly(Account, record),
                "stream": StreamInfo(**{**_with_range(stream), "smaller": smaller}),
                "figures": Figures(**figures),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        text = "the running agent is of another release than this command: restart it"
        raise ControlError("other-release", text) from error


def _exactly(kind: type[Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    if set(record) != {each.name for each in fields(kind)}:
        raise ValueError(kind.__name__)
    return record


def _with_range(record: Mapping[str, Any]) -> dict[str, Any]:
    bounds = record["bitrate_range_bps"]
    return {**record, "bitrate_range_bps": bounds and (bounds[0], bounds[1])}
