"""What a camera is, apart from what can be changed."""

from __future__ import annotations

import enum
import types

from .control import ControlId, ControlType

Location = ControlId("Location", ControlType.Integer32)
Model = ControlId("Model", ControlType.String)
PixelArrayActiveAreas = ControlId("PixelArrayActiveAreas", ControlType.Rectangle, is_array=True)
PixelArraySize = ControlId("PixelArraySize", ControlType.Size)
Rotation = ControlId("Rotation", ControlType.Integer32)
ScalerCropMaximum = ControlId("ScalerCropMaximum", ControlType.Rectangle)
SystemDevices = ControlId("SystemDevices", ControlType.Integer64, is_array=True)
UnitCellSize = ControlId("UnitCellSize", ControlType.Size)


class LocationEnum(enum.IntEnum):
    Front = 0
    Back = 1
    External = 2


class _ColorFilterArrangementEnum(enum.IntEnum):
    RGGB = 0
    GRBG = 1
    GBRG = 2
    BGGR = 3
    RGB = 4
    MONO = 5


draft = types.SimpleNamespace(
    ColorFilterArrangement=ControlId(
        "ColorFilterArrangement", ControlType.Integer32, vendor="draft"
    ),
    ColorFilterArrangementEnum=_ColorFilterArrangementEnum,
)
