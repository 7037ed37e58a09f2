"""The verb ``selftest``: borrow the running agent's camera, or open it, and say what to change.

It must not hold rules: it reads arguments, asks, prints.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mqcam import exits
from mqcam.ciphers import offered_ciphers
from mqcam.errors import ControlError, CredentialsError, UsageError

from mqcam_device import folders
from mqcam_device.asking import whom_to_ask
from mqcam_device.board import read_model
from mqcam_device.briefing import source_settings
from mqcam_device.control import ask, running
from mqcam_device.enumeration import enumerate_cameras
from mqcam_device.selftest.encryption import measure_ciphers_us
from mqcam_device.selftest.figures import account_from_json
from mqcam_device.selftest.own import try_own
from mqcam_device.selftest.power import read_temperature_c, read_throttling
from mqcam_device.selftest.table import table
from mqcam_device.selftest.trial import FIRST_PICTURE_S, LONGEST_S, SHORTEST_S
from mqcam_device.selftest.verdict import Machine, judge
from mqcam_device.selftest.wifi import read_network
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    import argparse

    from mqcam_device.selftest.figures import Account
    from mqcam_device.selftest.verdict import Verdict
    from mqcam_device.settings import DeviceSettings

ANSWER_S: Final = FIRST_PICTURE_S + 15
"""What the agent may take beyond the seconds that were asked for."""
NAMELESS: Final = "camera"
LISTED_KINDS: Final = ("picamera", "usb")
PROCESSOR: Final = Path("/proc/cpuinfo")
QUIET: Final = {"LIBCAMERA_LOG_LEVELS": "*:ERROR"}
"""For the capture child of ours: libcamera tells standard error about every camera it sees."""


def run(options: argparse.Namespace) -> int:
    """Try the camera, print what came of it, return the exit code; raises MqcamError."""
    if not SHORTEST_S <= options.seconds <= LONGEST_S:
        what = f"a selftest cannot take {options.seconds:g} seconds"
        raise UsageError(what, f"use --seconds with {SHORTEST_S:g} to {LONGEST_S:g}")
    settings = load_settings(options.config)
    name, folder = _whose(settings)
    if sys.stderr.isatty() and not options.json:
        sys.stderr.write(f"trying the camera for {options.seconds:g} s ...\n")
    account = _borrow(name, folder, options.seconds)
    is_borrowed = account is not None
    if account is None:
        account = _open(settings, name, options.seconds)
    machine = look_around(camera=_found(account))
    verdict = judge(account, machine)
    if options.json:
        told = json.dumps(_as_json(account, machine, verdict, is_borrowed=is_borrowed))
    else:
        told = _as_text(name, account, machine, verdict, is_borrowed=is_borrowed)
    print(told)  # noqa: T201 - a command line is printed here
    return exits.OK if verdict.is_good else exits.FAILURE


def _whose(settings: DeviceSettings) -> tuple[str, Path]:
    """Return which agent has the camera; a camera that has no credentials yet can be tried too."""
    try:
        return whom_to_ask(settings)
    except CredentialsError:
        places = folders.places_to_ask(settings.runtime_dir)
        if any(running(place) for place in places):
            raise
        return NAMELESS, places[0]


def look_around(*, camera: str) -> Machine:
    """Find out what the machine says of itself."""
    try:
        processor = PROCESSOR.read_text("utf-8", "replace")
    except OSError:
        processor = ""
    return Machine(
        camera=camera,
        model=read_model(),
        cores=os.cpu_count() or 1,
        throttling=read_throttling(),
        temperature_c=read_temperature_c(),
        network=read_network(),
        ciphers=tuple(name.decode("ascii") for name in offered_ciphers(processor)),
        ciphers_us=measure_ciphers_us(),
    )


def _found(account: Account) -> str:
    """Return model and id of the camera, empty for a source that is none."""
    if account.kind not in LISTED_KINDS:
        return ""
    found = enumerate_cameras((account.kind,), is_opening=False).cameras
    meant = [each for each in found if account.camera is None or each.is_meant(account.camera)]
    return f"{meant[0].model}, {meant[0].id}" if meant else ""


def _borrow(name: str, folder: Path, seconds: float) -> Account | None:
    """Have the running agent try its camera; None if none runs."""
    try:
        reply = ask(name, "selftest", folder, {"seconds": seconds}, timeout_s=seconds + ANSWER_S)
    except ControlError as error:
        if error.code == "not-running":
            return None
        raise
    return account_from_json(reply)


def _open(settings: DeviceSettings, name: str, seconds: float) -> Account:
    # What the supervision logs of a camera that fails is in the error, too.
    logging.getLogger("mqcam_device").addHandler(logging.NullHandler())
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    return asyncio.run(try_own(source_settings(settings, label=name), seconds=seconds))


def _as_text(
    name: str, account: Account, machine: Machine, verdict: Verdict, *, is_borrowed: bool
) -> str:
    whose = "borrowed from the running agent" if is_borrowed else "opened for this; no agent runs"
    rows = table(account, machine, verdict, is_borrowed=is_borrowed)
    return f"{name}, {whose}\n\n{rows}\n\n{verdict.text}"


def _as_json(
    account: Account, machine: Machine, verdict: Verdict, *, is_borrowed: bool
) -> dict[str, object]:
    return {
        "verdict": "good" if verdict.is_good else "bad",
        "text": verdict.text,
        "findings": [asdict(finding) for finding in verdict.findings],
        "borrowed": is_borrowed,
        **account.as_json(),
        "machine": asdict(machine),
    }
