"""The verb ``controls``: what the running agent's camera can be set to, and setting it.

It must not know cameras: their controls say themselves which values they take.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from mqcam import exits
from mqcam.errors import ControlError, UsageError

from mqcam_device.asking import whom_to_ask
from mqcam_device.control import ask
from mqcam_device.media import ControlInfo
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from mqcam_device.media import ControlValue

SWITCH: Final = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_BY_ITSELF: Final = "by itself"


def run(options: argparse.Namespace) -> int:
    """Set what is to be set, print how everything is then; raises MqcamError."""
    name, folder = whom_to_ask(load_settings(options.config))
    known = _controls(ask(name, "controls", folder))
    values = parse_changes(options.changes, known)
    if values:
        ask(name, "set-controls", folder, {"values": values})
        known = _controls(ask(name, "controls", folder))
    if options.json:
        print(json.dumps({"controls": [_as_json(each) for each in known]}))  # noqa: T201
        return exits.OK
    print(text_of(known))  # noqa: T201 - a command line is printed here
    if values:
        print(f"\n{advice(known)}")  # noqa: T201
    return exits.OK


def parse_changes(changes: Sequence[str], known: Sequence[ControlInfo]) -> dict[str, ControlValue]:
    """Read what was typed by what the camera has; raises UsageError for the first mistake."""
    by_name = {each.name: each for each in known}
    values: dict[str, ControlValue] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name:
            raise UsageError(f"{change} sets nothing", f"write {name or 'NAME'}=VALUE")
        if name not in by_name:
            has = f"it has {', '.join(by_name)}" if by_name else "it has none that can be changed"
            raise UsageError(f"this camera has no control {name}", has)
        values[name] = parse_value(by_name[name], text)
    return values


def parse_value(control: ControlInfo, text: str) -> ControlValue:
    """Read one value as its control takes it; raises UsageError."""
    if control.kind == "choice" and text in control.choices:
        return text
    if control.kind == "switch" and text.lower() in SWITCH:
        return SWITCH[text.lower()]
    try:
        if control.kind == "number" and _is_between(control, value := float(text)):
            return value
        if control.kind == "area" and _is_area(parts := tuple(map(float, text.split(",")))):
            return parts
    except ValueError:
        pass  # no number
    raise UsageError(f"{control.name} cannot be {text}", f"it takes {range_of(control)}")


def text_of(controls: Iterable[ControlInfo]) -> str:
    """Return a line for each control: its name, its value, what it takes."""
    rows = [(each.name, words(each.value), range_of(each)) for each in controls]
    if not rows:
        return "this camera has nothing that can be changed while it runs"
    rows.insert(0, ("NAME", "VALUE", "TAKES"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


def range_of(control: ControlInfo) -> str:
    """Return in words which values a control takes."""
    if control.kind == "choice":
        return ", ".join(control.choices)
    if control.kind == "switch":
        return "on, off"
    if control.kind == "area":
        return "left,top,width,height: parts of the view, 0 to 1"
    least, most = (
        _BY_ITSELF if end is None else _plain(end) for end in (control.least, control.most)
    )
    return f"{least} to {most}"


def words(value: ControlValue | None) -> str:
    """Return a value as it is typed."""
    if value is None:
        return _BY_ITSELF
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(_plain, value))
    return value if isinstance(value, str) else _plain(value)


def _plain(number: float) -> str:
    """Return a number as a person types it: exposures have more digits than ``g`` shows."""
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


def advice(known: Iterable[ControlInfo]) -> str:
    """Return how to keep over a restart all that is set, in this call or before."""
    pairs = ", ".join(
        f"{each.name}: {_in_yaml(each.value)}" for each in known if each.value is not None
    )
    return (
        "That holds until the agent starts anew. To keep it, write under 'source:' in the "
        f"configuration\n  controls: {{{pairs}}}"
    )


def _in_yaml(value: ControlValue) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_in_yaml, value))}]"
    if isinstance(value, float):  # of whole numbers the configuration wants no fraction
        return _plain(value)
    return json.dumps(value)


def _controls(reply: Mapping[str, Any]) -> tuple[ControlInfo, ...]:
    try:
        return tuple(_control(record) for record in reply["controls"])
    except (KeyError, TypeError) as error:
        text = "the running agent is of another release than this command: restart it"
        raise ControlError("other-release", text) from error


def _control(record: Mapping[str, Any]) -> ControlInfo:
    value = record["value"]
    known = {
        **record,
        "choices": tuple(record["choices"]),
        "value": tuple(value) if isinstance(value, list) else value,
    }
    return ControlInfo(**known)


def _as_json(control: ControlInfo) -> dict[str, object]:
    return {name: getattr(control, name) for name in ControlInfo.__slots__}


def _is_between(control: ControlInfo, value: float) -> bool:
    least = control.least if control.least is not None else value
    most = control.most if control.most is not None else value
    return least <= value <= most


def _is_area(parts: tuple[float, ...]) -> bool:
    if len(parts) != 4:  # noqa: PLR2004 - left, top, width, height
        return False
    left, top, width, height = parts
    is_inside = min(left, top) >= 0 and left + width <= 1 and top + height <= 1
    return is_inside and min(width, height) > 0
