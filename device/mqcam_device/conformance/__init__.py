"""What every video source must do, as tests for whoever writes one. Needs pytest.

Say in a `Rig` how the source is made and hurt, and derive two classes in a test file::

    class TestMyCamera(SourceConformance):
        rig_type = MyRig

    class TestMyCameraInItsChild(CaptureConformance):
        rig_type = MyRig

Tests marked ``long`` take their time; ``-m "not long"`` leaves them out. No test asks what kind of
source it is: what a source cannot do, its StreamInfo says.
"""

from mqcam_device.conformance.childsuite import CaptureConformance
from mqcam_device.conformance.rig import Fault, Rig
from mqcam_device.conformance.suite import SourceConformance

__all__ = ["CaptureConformance", "Fault", "Rig", "SourceConformance"]
