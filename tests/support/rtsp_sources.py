"""Sources for a network camera of `rtsp_server`.

It must not know what is tested.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mqcam_device.media import SourceSettings
from mqcam_device.sources.selection import make_source
from support.rtsp_server import RtspServer, Stream, Wishes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam_device.media import VideoSource


@contextmanager
def camera(stream: Stream, wishes: Wishes | None = None) -> Iterator[RtspServer]:
    server = RtspServer(stream, wishes)
    try:
        yield server
    finally:
        server.stop()


def source_for(server: RtspServer, **changes: object) -> VideoSource:
    return make_source(settings_for(server, **changes))


def settings_for(server: RtspServer, **changes: object) -> SourceSettings:
    return SourceSettings(kind="rtsp", url=server.url, fps_min=5.0, **changes)  # type: ignore[arg-type]
