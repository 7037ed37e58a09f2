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

from mqcam_device.media import BT601, BT709, MIN_BITRATE_BPS
from mqcam_device.steering import Steering

_UNSPECIFIED = 2
_VIDEO_RANGE = 1
_TERMS_OF_MATRIX = {BT709: (1, 1), 5: (5, 6), BT601: (6, 6), 9: (9, 14)}
"""Primaries and transfer that go with a matrix: BT.709, BT.601 of 625 and 525 lines, BT.2020."""

_TIME_BASE = Fraction(1, 1_000_000)
_ONE_SLICE_PIXELS = 1280 * 720
_GOP_S = 3600

_BUFFER_S, _SMALL_BUFFER_S = 0.125, 0.25
_SMALL_BUFFER_BITS, _USUAL_BUFFER_BITS = 100_000, 500_000
_LARGE_BUFFER_S = 1 / 12
"""x264's buffer cannot change with the rate: one for a high ceiling lets a keyframe at a low rate
take a second. 500 kbit keep it within 1/6 s at 1.5 Mbit/s, and 720p presentable; less than 1/12 s
would leave bits of a high rate unused. A small stream gets a quarter of a second, because a
keyframe of 640x360 falls apart below 8 kB."""

_HEADROOM = 1.25
"""How far above the ceiling x264 may be asked to go, to reach the ceiling on the average: with so
small a buffer it falls 15 % short of what it is asked."""

_BUFFER_PICTURES = 1.5
"""x264 wants room for one picture at the ceiling."""

_FIRST_KEYFRAME_S = 0.25
"""What x264 takes for saved up before its first picture, at the rate it begins with; without that
the first keyframe is as large as the ceiling allows. It uses about two thirds."""

_VBV_INIT_RANGE = (0.05, 0.9)
_MAX_PAUSE_S = 0.5
"""A longer time without a picture earns the encoder nothing more."""


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
        self._period_s = 1 / fps
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
        most_bps = int(self.max_bitrate_bps * _HEADROOM)
        context.bit_rate = most_bps
        bitrate_bps = self._clamp(bitrate_bps)
        buffer_bits = _buffer_bits(self.max_bitrate_bps, fps)
        least, most = _VBV_INIT_RANGE
        saved = min(max(bitrate_bps * _FIRST_KEYFRAME_S / buffer_bits, least), most)
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "maxrate": str(most_bps),
            "bufsize": str(buffer_bits),
            "x264-params": f"vbv-init={saved:.3f}",
        }
        try:
            context.open()
        except av.FFmpegError as error:
            raise SourceError("encoder", f"libx264 refuses {width}x{height}: {error}") from error
        self._context = context
        self._steering = Steering(bitrate_bps=bitrate_bps, max_bitrate_bps=most_bps)
        self.bitrate_bps = self.set_bitrate(bitrate_bps)

    def set_bitrate(self, bitrate_bps: int) -> int:
        """Aim for a bit rate from the next picture on; returns it within the encoder's range."""
        self.bitrate_bps = self._clamp(bitrate_bps)
        self._steering.aim(self.bitrate_bps)
        return self.bitrate_bps

    def request_keyframe(self) -> None:
        """Make the next picture an IDR with SPS and PPS in front."""
        self._is_keyframe_wanted = True

    def encode(self, frame: VideoFrame, captured_ns: int) -> bytes:
        """Return the picture as one access unit; empty if the encoder skipped it."""
        pts = max(captured_ns // 1000, self._last_pts + 1)
        elapsed_s = (
            self._period_s if self._last_pts < 0 else float((pts - self._last_pts) * _TIME_BASE)
        )
        self._last_pts = pts
        frame.pts, frame.time_base = pts, _TIME_BASE
        frame.pict_type = PictureType.I if self._is_keyframe_wanted else PictureType.NONE
        self._is_keyframe_wanted = False
        if self._context.bit_rate != self._steering.asked_bps:
            self._context.bit_rate = self._steering.asked_bps
        unit = b"".join(bytes(packet) for packet in self._context.encode(frame))
        self._steering.note(bits=8 * len(unit), elapsed_s=min(elapsed_s, _MAX_PAUSE_S))
        return unit

    def _clamp(self, bitrate_bps: int) -> int:
        return min(max(bitrate_bps, MIN_BITRATE_BPS), self.max_bitrate_bps)


def _buffer_bits(max_bitrate_bps: int, fps: float) -> int:
    """Return x264's buffer (VBV): what a keyframe may take from the pictures around it."""
    usual = max(max_bitrate_bps * _BUFFER_S, _SMALL_BUFFER_BITS)
    most = max(max_bitrate_bps * _LARGE_BUFFER_S, _USUAL_BUFFER_BITS)
    wanted = min(usual, max_bitrate_bps * _SMALL_BUFFER_S, most)
    return int(max(wanted, max_bitrate_bps * _HEADROOM * _BUFFER_PICTURES / fps))


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
