"""The ``mqcam-viewer`` command: the window, which cameras there are, how well one can be seen.

Verbs that keep pictures are in ``keeping``. It must not hold logic of the viewer: it reads
arguments, prints, and turns errors into exit codes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam import entry, exits, log
from mqcam.commandline import Parser
from mqcam.errors import ConfigError, CredentialsError, MqcamError
from mqcam.private import check_libraries
from mqcam.redaction import spoken

from mqcam_viewer import joining, keeping, presence, reach
from mqcam_viewer.absence import no_picture
from mqcam_viewer.client import Client
from mqcam_viewer.desktop import cli as window
from mqcam_viewer.patience import reached
from mqcam_viewer.picture import check_target, encode
from mqcam_viewer.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.errors import SessionError
    from mqcam.protocol.messages import Status

    from mqcam_viewer.statistics import Report

CREDENTIALS_VARIABLE = "MQCAM_CREDENTIALS"
ABOUT_US = {"-h", "--help", "--version"}
"""First words that are not options of the window, which opens where no verb is named."""

OPTION_FIRST = frozenset({window.VERB, "list", "probe", "snapshot", "record"})
"""Verbs that may also stand behind options, as in ``mqcam-viewer --credentials FILE list``."""
FLAGS = frozenset({"--json", "--verbose", "--loopback", "--live"})
"""Options without a value: what follows them may be a verb."""


def seconds(text: str) -> float:
    """Read a duration; 0 means for ever."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or more seconds")
    return value


def parser() -> Parser:
    """Return the description of the command line."""
    main_parser = Parser(prog="mqcam-viewer", description="Watch cameras of mqcam.")
    main_parser.add_version()
    common = Parser(add_help=False)
    common.add_argument(
        "--credentials",
        type=Path,
        default=os.environ.get(CREDENTIALS_VARIABLE),
        help=f"the file that 'mqcam-broker add-viewer' wrote (default: ${CREDENTIALS_VARIABLE})",
    )
    common.add_argument("--json", action="store_true", help="print one JSON object")
    reach.add_options(common)
    common.add_argument("--verbose", action="store_true", help="log what happens")
    verbs = main_parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    window.add_verb(verbs, common, seconds)
    keeping.add_verbs(verbs, common, seconds)
    joining.add_verbs(verbs, variable=CREDENTIALS_VARIABLE)
    cameras = verbs.add_parser("list", parents=[common], help="show the cameras of the broker")
    cameras.set_defaults(run=list_cameras)
    probe = verbs.add_parser("probe", parents=[common], help="watch a camera and measure it")
    probe.add_argument("camera", metavar="CAM", type=reach.camera_name)
    probe.add_argument(
        "--seconds", type=seconds, default=10.0, help="0: until Ctrl-C (default: %(default)g)"
    )
    probe.add_argument("--live", action="store_true", help="show a line of statistics each second")
    probe.set_defaults(run=probe_camera)
    probe.add_argument("--snapshot", type=Path, help="save the last picture, as .jpg or .png")
    return main_parser


def describe(name: str, status: Status | None) -> str:
    """Return one line about a camera."""
    if status is None:
        return f"{name:24} offline"
    capture = status.capture
    size = "{}x{}".format(*capture.upright_size) if capture.upright_size else ""
    fps = f"{capture.fps_max:g} fps" if capture.fps_max else ""
    return f"{name:24} {status.state:10} {size:10} {fps:8} {capture.text}".rstrip()


def as_json(status: Status | None) -> dict[str, object]:
    """Return a camera as ``list --json`` prints it."""
    if status is None:
        return {"state": "offline"}
    capture = status.capture
    width, height = capture.upright_size or (None, None)
    return {
        "state": status.state,
        "source": capture.state,
        "width": width,
        "height": height,
        "fps": capture.fps_max,
    }


def refusal_as_json(error: SessionError) -> dict[str, object]:
    """Return a camera that is not believed as ``list --json`` prints it."""
    return {"state": "not-believed", "code": error.code, "text": error.text}


async def list_cameras(options: argparse.Namespace) -> int:
    """Print every camera; fails when one is not believed."""
    with contextlib.nullcontext() if options.verbose else presence.silent():
        async with reached(Client(options.credentials)) as client:
            cameras = await client.cameras()
            refused = client.refused()
    if options.json:
        reports = {name: as_json(status) for name, status in cameras.items()}
        reports = {name: refusal_as_json(error) for name, error in refused.items()} | reports
        print(json.dumps(reports))
    else:
        for name, error in refused.items():
            print(f"{name:24} NOT BELIEVED: {error.text}", file=sys.stderr)
        for name, status in cameras.items():
            print(describe(name, status))
        if not (cameras or refused):
            print("the broker knows no camera yet")
    return exits.FAILURE if refused else exits.OK


def live_line(report: Report) -> str:
    """Return the statistics of now as one line."""
    parts = [
        f"{report.frames} frames",
        f"{report.fps:.1f} fps",
        f"{report.width}x{report.height}",
        f"{report.bitrate_bps / 1e6:.2f} Mbit/s",
    ]
    if report.latency_ms is not None:
        parts.append(f"latency {report.latency_ms.p50:.0f} ms")
    parts.append(f"lost {report.packets_lost}")
    if report.freezes:
        parts.append(f"freezes {report.freezes}")
    if report.candidate_pair:
        parts.append(report.candidate_pair)
    return "  ".join(parts)


def print_report(report: Report, *, is_json: bool) -> None:
    """Print what was measured."""
    values = report.as_json()
    if is_json:
        print(json.dumps(values))
        return
    for key, value in values.items():
        if isinstance(value, dict):
            text = "  ".join(f"{name} {part}" for name, part in value.items())
        else:
            text = "-" if value is None else str(value)
        print(f"{key:16} {text}")


async def probe_camera(options: argparse.Namespace) -> int:
    """Watch, report, and succeed only if pictures came."""
    if options.snapshot is not None:
        check_target(options.snapshot)
    show = None
    if options.live:
        show = lambda report: print(live_line(report), file=sys.stderr, flush=True)  # noqa: E731
    probe = Probe(options.camera, on_progress=show)
    ice = reach.settings(options)
    # Ctrl-C and SIGTERM end the watching, not the report.
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    async with reached(Client(options.credentials, ice=ice)) as client:
        watching = asyncio.create_task(
            probe.run(client, seconds=options.seconds or None), name="probe"
        )
        stop = asyncio.create_task(interrupted.wait(), name="interrupt")
        await asyncio.wait({watching, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, stop):
            task.cancel()
        await asyncio.wait({watching, stop})
        if not watching.cancelled() and watching.exception() is not None:
            watching.result()
    if probe.report is None:
        print("mqcam-viewer: interrupted before the camera answered", file=sys.stderr)
        return exits.FAILURE
    print_report(probe.report, is_json=options.json)
    if options.snapshot is not None and probe.last is not None:
        last = probe.last
        encoded = encode(last.picture, options.snapshot, rotation=last.rotation)
        options.snapshot.write_bytes(encoded)
    if probe.report.frames == 0:
        why = no_picture(client.known().get(options.camera))
        print(f"mqcam-viewer: {why}", file=sys.stderr)
        return exits.FAILURE
    return 0


def verb_first(words: Sequence[str]) -> list[str]:
    """Return a command line that began with options with its verb in front: the window's if none.

    What stands behind an option is its value, also where it is called like a verb.
    """
    before = ""
    for at, word in enumerate(words):
        is_value = before.startswith("--") and "=" not in before and before not in FLAGS
        if word in OPTION_FIRST and not is_value:
            return [word, *words[:at], *words[at + 1 :]]
        before = word
    return [window.VERB, *words]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    main_parser = parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in ABOUT_US):
        words = verb_first(words)
    options = main_parser.parse_args(words)
    if options.credentials is None and options.verb not in joining.VERBS:
        main_parser.error(f"name the viewer's file with --credentials or ${CREDENTIALS_VARIABLE}")
    log.configure("info" if options.verbose else "error")
    try:
        check_libraries()
        if options.verb == window.VERB:
            return window.show(options)
        if options.verb in joining.VERBS:
            return int(options.do(options))
        return int(asyncio.run(options.run(options)))
    except (MqcamError, OSError) as error:
        return tell(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED


def tell(error: MqcamError | OSError) -> int:
    """Say on standard error what went wrong; return the exit code that fits."""
    if isinstance(error, BrokenPipeError):
        # Whoever read us has enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILURE
    text = str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror or error}"
    # These two begin with the name of the file that they are about.
    program = "" if isinstance(error, ConfigError | CredentialsError) else "mqcam-viewer: "
    print(f"{program}{spoken(text)}", file=sys.stderr)
    return exits.exit_code(error)


if __name__ == "__main__":
    entry.end_with(main)
