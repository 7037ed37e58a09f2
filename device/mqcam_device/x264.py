"""Encode pictures with libx264 for live sending: no frame of delay, keyframes and rate on demand.

It must not know where pictures come from or who looks. Works with PyAV 14 to 19.
"""

from __future__ import annotations

import os
from fractions import Fraction

import av
from av.video.frame import PictureType, VideoFrame
from mqcam import h264
from mqcam.errors import SourceError

from mqcam_device.media import BT601, BT709

MIN_BITRATE_BPS = 100_000
"""Below this x264 cannot hold the rate of any useful picture."""

_UNSPECIFIED = 2
_VIDEO_RANGE = 1
_TERMS_OF_MATRIX = {BT709: (1, 1), 5: (5, 6), BT601: (6, 6), 9: (9, 14)}
"""Primaries and transfer that go with a matrix: BT.709, BT.601 of 625 and 525 lines, BT.2020."""

_TIME_BASE = Fraction(1, 1_000_000)
_ONE_SLICE_PIXELS = 1280 * 720
_GOP_S = 3600
_BUFFER_S = 0.125


class X264:
    """One encoder for pictures of one size; replace it to change size or frame rate."""

    def __init__(
        self,
        *,
        width: int,
        height: int,
        fps: float,
        bitrate_bps: int,
        max_bitrate_bps: int,
        matrix: int = BT709,
    ) -> None:
        self.max_bitrate_bps = max(max_bitrate_bps, MIN_BITRATE_BPS)
        self._is_keyframe_wanted = True
        self._last_pts = -1
        context = av.CodecContext.create("libx264", "w")
        if not isinstance(context, av.VideoCodecContext):
            raise SourceError("encoder", "this PyAV has no libx264; install PyAV's own wheel")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        # Said, because viewers take a small picture that does not say it as BT.601.
        context.colorspace, context.color_range = matrix, _VIDEO_RANGE
        context.color_primaries, context.color_trc = _TERMS_OF_MATRIX.get(
            matrix, (_UNSPECIFIED, _UNSPECIFIED)
        )
        context.time_base = _TIME_BASE
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.gop_size = int(fps * _GOP_S)  # keyframes come when a viewer needs one
        # Frame threads would hold pictures back. A slice more per picture costs each viewer a
        # system call per picture, so they are used only where one thread is too slow.
        context.thread_type = "SLICE"
        is_small = width * height <= _ONE_SLICE_PIXELS
        context.thread_count = 1 if is_small else min(4, os.cpu_count() or 1)
        # "Constrained Baseline" is not known to libx264 by that name and yields High.
        context.profile = "Baseline"
        # x264 follows a changed bit_rate only in a stream that was opened as CBR at the ceiling.
        context.bit_rate = self.max_bitrate_bps
        buffer_bits = int(self.max_bitrate_bps * max(_BUFFER_S, 1 / fps))
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "maxrate": str(self.max_bitrate_bps),
            "bufsize": str(buffer_bits),
        }
        try:
            context.open()
        except av.FFmpegError as error:
            raise SourceError("encoder", f"libx264 refuses {width}x{height}: {error}") from error
        self._context = context
        self.bitrate_bps = self.set_bitrate(bitrate_bps)

    def set_bitrate(self, bitrate_bps: int) -> int:
        """Aim for a bit rate from the next picture on; returns it within the encoder's range."""
        self.bitrate_bps = min(max(bitrate_bps, MIN_BITRATE_BPS), self.max_bitrate_bps)
        self._context.bit_rate = self.bitrate_bps
        return self.bitrate_bps

    def request_keyframe(self) -> None:
        """Make the next picture an IDR with SPS and PPS in front."""
        self._is_keyframe_wanted = True

    def encode(self, frame: VideoFrame, captured_ns: int) -> bytes:
        """Return the picture as one access unit; empty if the encoder skipped it."""
        self._last_pts = max(captured_ns // 1000, self._last_pts + 1)
        frame.pts, frame.time_base = self._last_pts, _TIME_BASE
        frame.pict_type = PictureType.I if self._is_keyframe_wanted else PictureType.NONE
        self._is_keyframe_wanted = False
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


def probe_profile_level_id(*, width: int, height: int, fps: float, max_bitrate_bps: int) -> str:
    """Return what the SPS of such an encoder says, by encoding one grey picture."""
    encoder = X264(
        width=width,
        height=height,
        fps=fps,
        bitrate_bps=max_bitrate_bps,
        max_bitrate_bps=max_bitrate_bps,
    )
    frame = VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        plane.update(b"\x80" * plane.buffer_size)
    for nal in h264.iterate_nals(encoder.encode(frame, 0)):
        if h264.nal_type(nal) == h264.SPS:
            return h264.parse_sps(nal).profile_level_id
    raise SourceError("encoder", "libx264 put no parameter sets in front of its keyframe")
