"""The two streams of a camera: asked for, and what libcamera made of them.

It must not know encoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import SourceError

from mqcam_device.media import BT601, BT709, MAIN, LayerInfo
from mqcam_device.sources.layer import low_layer
from mqcam_device.sources.picamera.turning import Turn, amend, split
from mqcam_device.sources.raw import HD_LINES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam_device.media import SourceSettings
    from mqcam_device.sources.picamera.controls import Native
    from mqcam_device.sources.picamera.library import Library

Size = tuple[int, int]

FORMAT: Final = "YUV420"
STREAMS: Final = 2

_DEFAULT_SIZE: Final = (1280, 720)
_BUFFERS: Final = 6
"""One is filled, one queued, one may be a snapshot, up to three are with encoders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Sizes of the streams, colour matrix, who turns; ``native`` are controls to be set with it.

    ``trouble`` is a sentence about what the camera cannot do, or empty.
    """

    main: Size
    low: Size
    matrix: int
    turn: Turn
    native: Native
    trouble: str


def configure(picamera: Any, library: Library, settings: SourceSettings) -> Configuration:
    """Configure an open camera; raises SourceError and what picamera2 raises."""
    main, low = wanted_sizes(settings)
    turn = split(settings.rotation, hflip=settings.hflip, vflip=settings.vflip)
    matrix = BT709 if main[1] >= HD_LINES else BT601
    colours = library.colour_space
    asked = picamera.create_video_configuration(
        main={"size": main, "format": FORMAT},
        lores={"size": low, "format": FORMAT},
        raw=None,  # nobody looks at it, and its buffers are large
        transform=library.transform(hflip=turn.hflip, vflip=turn.vflip),
        # Said, so that libx264 can say it too; picamera2 would choose the same.
        colour_space=colours.Rec709() if matrix == BT709 else colours.Smpte170m(),
        buffer_count=_BUFFERS,
        display=None,
        encode="main",
        queue=False,  # a snapshot waits for a picture: one that was kept may be of yesterday
    )
    picamera.configure(asked)
    got = picamera.camera_configuration()
    mirrored = got["transform"]
    turn, trouble = amend(turn, hflip=bool(mirrored.hflip), vflip=bool(mirrored.vflip))
    return Configuration(
        main=size_of(got["main"]),
        low=size_of(got["lores"]),
        matrix=matrix,
        turn=turn,
        native=dict(asked["controls"]),
        trouble=trouble,
    )


def wanted_sizes(settings: SourceSettings) -> tuple[Size, Size]:
    """Return the sizes of the main stream and of the small one."""
    width, height = settings.width, settings.height
    if width is None or height is None:
        width, height = _DEFAULT_SIZE
    main = LayerInfo(
        name=MAIN, width=width, height=height, fps_min=1, fps_max=1, bitrate_range_bps=None
    )
    low = low_layer(main, max_bitrate_bps=settings.max_bitrate_bps)
    return (width, height), (low.width, low.height)


def size_of(stream: Mapping[str, Any]) -> Size:
    """Return a stream's size; raises SourceError for a format that no encoder here takes."""
    if stream["format"] != FORMAT:
        reason = f"the camera delivers {stream['format']}, but {FORMAT} is needed"
        raise SourceError("picamera", reason)
    width, height = stream["size"]
    return width, height
