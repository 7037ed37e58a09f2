"""The controls and metadata of the Raspberry Pi's pipeline, and the values of those that choose."""

from __future__ import annotations

import enum
import types

from .control import ControlId, ControlType

AeConstraintMode = ControlId("AeConstraintMode", ControlType.Integer32)
AeEnable = ControlId("AeEnable", ControlType.Bool)
AeExposureMode = ControlId("AeExposureMode", ControlType.Integer32)
AeFlickerMode = ControlId("AeFlickerMode", ControlType.Integer32)
AeFlickerPeriod = ControlId("AeFlickerPeriod", ControlType.Integer32)
AeMeteringMode = ControlId("AeMeteringMode", ControlType.Integer32)
AeState = ControlId("AeState", ControlType.Integer32)
AfMetering = ControlId("AfMetering", ControlType.Integer32)
AfMode = ControlId("AfMode", ControlType.Integer32)
AfPause = ControlId("AfPause", ControlType.Integer32)
AfPauseState = ControlId("AfPauseState", ControlType.Integer32)
AfRange = ControlId("AfRange", ControlType.Integer32)
AfSpeed = ControlId("AfSpeed", ControlType.Integer32)
AfState = ControlId("AfState", ControlType.Integer32)
AfTrigger = ControlId("AfTrigger", ControlType.Integer32)
AfWindows = ControlId("AfWindows", ControlType.Rectangle, is_array=True)
AnalogueGain = ControlId("AnalogueGain", ControlType.Float)
AnalogueGainMode = ControlId("AnalogueGainMode", ControlType.Integer32)
AwbEnable = ControlId("AwbEnable", ControlType.Bool)
AwbMode = ControlId("AwbMode", ControlType.Integer32)
Brightness = ControlId("Brightness", ControlType.Float)
ColourGains = ControlId("ColourGains", ControlType.Float, is_array=True)
ColourTemperature = ControlId("ColourTemperature", ControlType.Integer32)
Contrast = ControlId("Contrast", ControlType.Float)
DigitalGain = ControlId("DigitalGain", ControlType.Float)
ExposureTime = ControlId("ExposureTime", ControlType.Integer32)
ExposureTimeMode = ControlId("ExposureTimeMode", ControlType.Integer32)
ExposureValue = ControlId("ExposureValue", ControlType.Float)
FocusFoM = ControlId("FocusFoM", ControlType.Integer32)
FrameDuration = ControlId("FrameDuration", ControlType.Integer64)
FrameDurationLimits = ControlId("FrameDurationLimits", ControlType.Integer64, is_array=True)
HdrChannel = ControlId("HdrChannel", ControlType.Integer32)
HdrMode = ControlId("HdrMode", ControlType.Integer32)
LensPosition = ControlId("LensPosition", ControlType.Float)
Lux = ControlId("Lux", ControlType.Float)
NoiseReductionMode = ControlId("NoiseReductionMode", ControlType.Integer32, vendor="draft")
Saturation = ControlId("Saturation", ControlType.Float)
ScalerCrop = ControlId("ScalerCrop", ControlType.Rectangle)
ScalerCrops = ControlId("ScalerCrops", ControlType.Rectangle, is_array=True, vendor="rpi")
SensorTemperature = ControlId("SensorTemperature", ControlType.Float)
SensorTimestamp = ControlId("SensorTimestamp", ControlType.Integer64)
Sharpness = ControlId("Sharpness", ControlType.Float)


class AeConstraintModeEnum(enum.IntEnum):
    Normal = 0
    Highlight = 1
    Shadows = 2
    Custom = 3


class AeExposureModeEnum(enum.IntEnum):
    Normal = 0
    Short = 1
    Long = 2
    Custom = 3


class AeFlickerModeEnum(enum.IntEnum):
    Off = 0
    Manual = 1
    Auto = 2


class AeMeteringModeEnum(enum.IntEnum):
    CentreWeighted = 0
    Spot = 1
    Matrix = 2
    Custom = 3


class AfMeteringEnum(enum.IntEnum):
    Auto = 0
    Windows = 1


class AfModeEnum(enum.IntEnum):
    Manual = 0
    Auto = 1
    Continuous = 2


class AfPauseEnum(enum.IntEnum):
    Immediate = 0
    Deferred = 1
    Resume = 2


class AfRangeEnum(enum.IntEnum):
    Normal = 0
    Macro = 1
    Full = 2


class AfSpeedEnum(enum.IntEnum):
    Normal = 0
    Fast = 1


class AfStateEnum(enum.IntEnum):
    Idle = 0
    Scanning = 1
    Focused = 2
    Failed = 3


class AfTriggerEnum(enum.IntEnum):
    Start = 0
    Cancel = 1


class AnalogueGainModeEnum(enum.IntEnum):
    Auto = 0
    Manual = 1


class AwbModeEnum(enum.IntEnum):
    Auto = 0
    Incandescent = 1
    Tungsten = 2
    Fluorescent = 3
    Indoor = 4
    Daylight = 5
    Cloudy = 6
    Custom = 7


class ExposureTimeModeEnum(enum.IntEnum):
    Auto = 0
    Manual = 1


class HdrModeEnum(enum.IntEnum):
    Off = 0
    MultiExposureUnmerged = 1
    MultiExposure = 2
    SingleExposure = 3
    Night = 4


class _NoiseReductionModeEnum(enum.IntEnum):
    Off = 0
    Fast = 1
    HighQuality = 2
    Minimal = 3
    ZSL = 4


draft = types.SimpleNamespace(
    NoiseReductionMode=NoiseReductionMode, NoiseReductionModeEnum=_NoiseReductionModeEnum
)
rpi = types.SimpleNamespace(ScalerCrops=ScalerCrops)
