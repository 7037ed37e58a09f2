"""The viewer: a client library, and the commands on top of it.

``async with connect("front", "laptop.viewer.yaml") as stream`` gives an asynchronous iterator of
decoded pictures; ``Client`` watches several cameras over one connection to the broker.
"""

from mqcam_viewer.client import Client, connect
from mqcam_viewer.frames import Frame
from mqcam_viewer.statistics import Report
from mqcam_viewer.stream import Stream

__all__ = ["Client", "Frame", "Report", "Stream", "connect"]
