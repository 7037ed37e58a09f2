"""The verbs that keep pictures: ``snapshot`` and ``record``.

It must not hold logic of recordings: it reads arguments, tells the progress and names the result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mqcam import exits
from mqcam.errors import MqcamError, RecordingFailed, UsageError
from mqcam.files import reason

from mqcam_viewer import picture, reach
from mqcam_viewer.absence import no_picture
from mqcam_viewer.client import Client
from mqcam_viewer.patience import reached
from mqcam_viewer.recorder import Recorder
from mqcam_viewer.recording import Recording
from mqcam_viewer.shelf import NAME_TIME, Shelf
from mqcam_viewer.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam.commandline import Commands, Parser

    from mqcam_viewer.recording import Summary

STANDARD_OUTPUT: Final = "-"
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SHORTEST_SEGMENT_S: Final = 5.0
DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
WIDEST_QUALITY: Final = 100


def duration(text: str) -> float:
    """Read a duration with its unit, as 90s, 10m or 7d; in seconds."""
    read = DURATION.fullmatch(text)
    if read is None or float(read[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a duration such as 90s, 10m, 1h or 7d")
    return float(read[1]) * UNITS_S[read[2]]


def quality(text: str) -> int:
    """Read a JPEG quality."""
    value = int(text)
    if not 1 <= value <= WIDEST_QUALITY:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {WIDEST_QUALITY}")
    return value


def add_verbs(
    verbs: Commands,
    common: Parser,
    seconds: Callable[[str], float],
) -> None:
    """Add both verbs to the command line; ``options.run`` is what they do."""
    snapshot = verbs.add_parser("snapshot", parents=[common], help="save one picture of a camera")
    snapshot.add_argument("camera", metavar="CAM", type=reach.camera_name)
    snapshot.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="ends in .jpg or .png; - is standard output; left out: CAM and the time, as JPEG",
    )
    snapshot.add_argument(
        "--quality", type=quality, default=picture.QUALITY, help="of a JPEG (default: %(default)s)"
    )
    snapshot.set_defaults(run=snapshot_camera)
    record = verbs.add_parser("record", parents=[common], help="record a camera as it is received")
    record.add_argument("camera", metavar="CAM", type=reach.camera_name)
    record.add_argument(
        "file",
        metavar="FILE|DIR",
        nargs="?",
        type=Path,
        default=Path(),
        help="an MP4 file that is not there yet, or a folder for files named by time (default: .)",
    )
    record.add_argument(
        "--seconds", type=seconds, default=0.0, help="0: until Ctrl-C (default: %(default)g)"
    )
    record.add_argument(
        "--segment", metavar="TIME", type=duration, help="a new file so often, as 10m; needs DIR"
    )
    record.add_argument(
        "--keep",
        metavar="TIME",
        type=duration,
        help="delete this camera's files in DIR that are older, as 7d; needs --segment",
    )
    record.set_defaults(run=record_camera)


async def snapshot_camera(options: argparse.Namespace) -> int:
    """Save one picture; raises MqcamError."""
    name: str = options.file or f"{options.camera}-{time.strftime(NAME_TIME, time.gmtime())}.jpg"
    path = Path(name)
    is_piped = name == STANDARD_OUTPUT
    if is_piped and options.json:
        raise UsageError("standard output takes the picture or the JSON", "leave one of them out")
    if not is_piped:
        picture.check_target(path)
    began_at = time.monotonic()
    async with reached(Client(options.credentials, ice=reach.settings(options))) as client:
        shown = await take_snapshot(client, options.camera)
        encoded = await asyncio.to_thread(picture.encode, shown, path, quality=options.quality)
        taken_ms = round((time.monotonic() - began_at) * 1000, 1)
    if is_piped:
        sys.stdout.buffer.write(encoded)
        return 0
    try:
        await asyncio.to_thread(path.write_bytes, encoded)
    except OSError as error:
        raise RecordingFailed(name, reason(error)) from error
    told: dict[str, object] = {
        "camera": options.camera,
        "path": name,
        "width": shown.width,
        "height": shown.height,
        "bytes": len(encoded),
        "ms": taken_ms,
    }
    line = json.dumps(told) if options.json else f"{name}  {shown.width}x{shown.height}"
    sys.stdout.write(f"{line}\n")
    return 0


async def record_camera(options: argparse.Namespace) -> int:
    """Record until the time is up or somebody interrupts; raises MqcamError."""
    recording = Recording(shelf(options), segment_s=options.segment, keep_s=options.keep)
    failure: MqcamError | None = None
    with interrupts() as interrupted:
        async with (
            reached(Client(options.credentials, ice=reach.settings(options))) as client,
            client.watch(options.camera, is_decoding=False) as stream,
        ):
            show = progress() if sys.stderr.isatty() else None
            recorder = Recorder(stream, recording, on_progress=show)
            running = asyncio.create_task(recorder.run(options.seconds or None), name="recorder")
            stop = asyncio.create_task(interrupted.wait(), name="interrupt")
            await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
            recorder.stop()
            try:
                await running
            except MqcamError as error:
                failure = error
            stop.cancel()
            await asyncio.wait({stop})
            summary = recorder.summary()
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    tell(summary, is_json=options.json)
    if failure is not None:
        raise failure
    if summary.frames == 0:
        why = no_picture(client.known().get(options.camera))
        sys.stderr.write(f"mqcam-viewer: {why}\n")
        return exits.FAILURE
    return 0


def shelf(options: argparse.Namespace) -> Shelf:
    """Return where the recording goes; raises UsageError, RecordingFailed."""
    target: Path = options.file
    if options.keep is not None and options.segment is None:
        raise UsageError("--keep deletes whole files", "say with --segment how long one is")
    if options.segment is not None:
        if options.segment < SHORTEST_SEGMENT_S:
            raise UsageError(
                "the segments are too short", f"use --segment {SHORTEST_SEGMENT_S:g}s or more"
            )
        if target.suffix == ".mp4" and not target.is_dir():
            raise UsageError(f"{target} is one file, --segment makes many", "name a folder")
        try:
            target.mkdir(exist_ok=True)
        except OSError as error:
            raise RecordingFailed(str(target), reason(error)) from error
    elif not target.is_dir() and target.suffix != ".mp4":
        raise UsageError(f"{target} is no folder and no MP4 file", "end the name in .mp4")
    if not target.is_dir() and target.exists():
        raise RecordingFailed(str(target), "exists already; a recording never replaces a file")
    return Shelf(target, camera=options.camera)


@contextlib.contextmanager
def interrupts() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C and SIGTERM set: they end a recording, not the program."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, interrupted.set)
    try:
        yield interrupted
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def progress() -> Callable[[Summary], None]:
    """Return what shows a recording's progress on one line of a terminal."""

    def show(summary: Summary) -> None:
        length = dt.timedelta(seconds=int(summary.seconds))
        line = f"{length}  {summary.frames} frames  {summary.bytes / 1e6:.1f} MB  {summary.path}"
        if summary.gaps:
            line += f"  gaps {summary.gaps}"
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    return show


def tell(summary: Summary, *, is_json: bool) -> None:
    """Print what was recorded."""
    if is_json:
        sys.stdout.write(f"{json.dumps(summary.as_json())}\n")
        return
    if not summary.frames:
        return
    sys.stdout.write(
        f"{summary.path}  {summary.seconds:.1f} s  {summary.frames} frames"
        f"  {summary.bytes / 1e6:.1f} MB  {summary.files} file{'s' if summary.files > 1 else ''}\n"
    )
    if summary.gaps:
        plural = "s" if summary.gaps > 1 else ""
        sys.stdout.write(
            f"{summary.gaps} gap{plural}, {summary.gap_seconds:.1f} s without a picture\n"
        )
    missing = summary.frames_lost + summary.frames_dropped
    if missing:
        sys.stdout.write(f"{missing} pictures are missing: lost on the way, or the disk was slow\n")
