"""The names of picamera2 that the sources of this folder use, declared for their check.

A test holds the declaration to what the files use, and to picamera2 itself: the version that the
other tests run with, and the newest there is. It must never import picamera2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

OLDEST: Final[Version] = (0, 3, 26)
"""The first version that we take: it has all these names but those that say since when, and its
hardware encoder survives a picture that came out without bits (picamera2's pull request 1236)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraName:
    """One name of picamera2, and why we need it.

    ``path`` is ``Class.name`` or the name of a class or function of ``module``. What is called has
    ``parameters``: those that we give; others must have defaults. What we override has exactly
    these. An attribute has none. ``since``: older versions lack it, and we do without.
    """

    module: str
    path: str
    reason: str
    parameters: tuple[str, ...] | None = None
    is_overridden: bool = False
    since: Version = OLDEST

    @property
    def name(self) -> str:
        """The last part of the path: what stands in our source."""
        return self.path.rpartition(".")[2]


_CAMERA: Final = "picamera2.picamera2"
_ENCODER: Final = "picamera2.encoders.encoder"
_CODEC: Final = "picamera2.encoders.v4l2_encoder"
_H264: Final = "picamera2.encoders.h264_encoder"
_OUTPUT: Final = "picamera2.outputs.output"
_REQUEST: Final = "picamera2.request"
_JOB: Final = "picamera2.job"
_IMX708: Final = "picamera2.devices.imx708.imx708"

PICAMERA2_NAMES: Final[tuple[CameraName, ...]] = (
    CameraName(
        module=_CAMERA,
        path="Picamera2.global_camera_info",
        parameters=(),
        reason="which cameras there are, by their stable ids",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.sensor_modes",
        reason="the sizes that a person can choose from",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.__init__",
        parameters=("camera_num",),
        reason="opens one camera",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.create_video_configuration",
        parameters=(
            "main",
            "lores",
            "raw",
            "transform",
            "colour_space",
            "buffer_count",
            "display",
            "encode",
            "queue",
        ),
        reason="the streams and how the sensor is turned",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.configure",
        parameters=("camera_config",),
        reason="sets the streams up",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.camera_configuration",
        parameters=(),
        reason="what libcamera made of the streams",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.camera_controls",
        reason="which controls this camera advertises, with their ranges",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.set_controls",
        parameters=("controls",),
        reason="changes them while it runs",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.start",
        parameters=(),
        reason="starts the camera",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.stop",
        parameters=(),
        reason="stops it",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.close",
        parameters=(),
        reason="gives it back",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.start_encoder",
        parameters=("encoder", "output", "name"),
        reason="starts a layer",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.stop_encoder",
        parameters=("encoders",),
        reason="stops a layer",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.capture_request",
        parameters=("wait",),
        reason="a snapshot",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.cancel_all_and_flush",
        parameters=(),
        reason="without it a stop waits for a snapshot that never comes",
    ),
    CameraName(
        module=_CAMERA,
        path="Picamera2.request_lock",
        reason="held while controls are set: picamera2 takes them over in two steps under it",
    ),
    CameraName(
        module=_JOB,
        path="Job.get_result",
        parameters=("timeout",),
        reason="waits for the snapshot, for so long and no longer",
    ),
    CameraName(
        module=_REQUEST,
        path="CompletedRequest.save",
        parameters=("name", "file_output", "format"),
        reason="the snapshot as JPEG",
    ),
    CameraName(
        module=_REQUEST,
        path="CompletedRequest.release",
        parameters=(),
        reason="gives a picture back to the camera",
    ),
    CameraName(
        module=_REQUEST,
        path="CompletedRequest.acquire",
        parameters=(),
        reason="keeps a picture while it is encoded",
    ),
    CameraName(
        module=_REQUEST,
        path="CompletedRequest.get_metadata",
        parameters=(),
        reason="when a picture was taken",
    ),
    CameraName(
        module=_REQUEST,
        path="MappedArray.__init__",
        parameters=("request", "stream", "reshape", "write"),
        reason="a picture's memory",
    ),
    CameraName(
        module=_REQUEST,
        path="MappedArray.array",
        reason="the memory itself",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder.__init__",
        parameters=(),
        reason="our own encoder",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder.firsttimestamp",
        reason="time stamps of units count from it",
    ),
    CameraName(
        module=_H264,
        path="H264Encoder.__init__",
        parameters=("bitrate", "repeat", "iperiod", "framerate", "enable_sps_framerate", "profile"),
        reason="the encoder of the board",
    ),
    CameraName(
        module=_CODEC,
        path="V4L2Encoder.vd",
        reason="the descriptor through which the bit rate is set",
    ),
    CameraName(
        module=_H264,
        path="H264Encoder.force_key_frame",
        parameters=(),
        since=(0, 3, 32),
        reason="a keyframe now; before, the control of the descriptor itself",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder._encode",
        parameters=("stream", "request"),
        is_overridden=True,
        reason="our own encoder takes the pictures here",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder._start",
        parameters=(),
        is_overridden=True,
        reason="our own encoder begins",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder._stop",
        parameters=(),
        is_overridden=True,
        reason="our own encoder ends",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder.stop",
        parameters=(),
        reason="tidies up what an encoder leaves that could not start",
    ),
    CameraName(
        module=_ENCODER,
        path="Encoder.stride",
        reason="how long a row is in memory",
    ),
    CameraName(
        module=_IMX708,
        path="IMX708.__init__",
        parameters=("camera_num",),
        reason="the sensor of the camera module 3, itself",
    ),
    CameraName(
        module=_IMX708,
        path="IMX708.set_sensor_hdr_mode",
        parameters=("enable",),
        reason="HDR that the sensor makes",
    ),
    CameraName(
        module=_OUTPUT,
        path="Output.__init__",
        parameters=(),
        reason="our own output",
    ),
    CameraName(
        module=_OUTPUT,
        path="Output.outputframe",
        parameters=("frame", "keyframe", "timestamp", "packet", "audio"),
        is_overridden=True,
        reason="the units come here",
    ),
)
