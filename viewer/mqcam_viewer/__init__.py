"""The viewer: a client library, and the commands on top of it.

``async with connect("front", "laptop.viewer.yaml") as stream`` gives an asynchronous iterator of
decoded pictures; ``Client`` watches several cameras over one connection to the broker. ``upright``
turns a picture where its camera could not.
``take_snapshot`` returns one picture; a ``Recorder`` hands what a stream receives to a
``Recording``, which writes it onto a ``Shelf``.
"""

from mqcam_viewer.client import Client, connect
from mqcam_viewer.frames import Frame
from mqcam_viewer.picture import upright
from mqcam_viewer.recorder import Recorder
from mqcam_viewer.recording import Recording, Summary
from mqcam_viewer.shelf import Shelf
from mqcam_viewer.snapshot import take_snapshot
from mqcam_viewer.statistics import Report
from mqcam_viewer.stream import Stream

__all__ = [
    "Client",
    "Frame",
    "Recorder",
    "Recording",
    "Report",
    "Shelf",
    "Stream",
    "Summary",
    "connect",
    "take_snapshot",
    "upright",
]
