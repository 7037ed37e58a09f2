"""Colour spaces, as far as picamera2 compares and copies them."""

from __future__ import annotations

import enum


class _Primaries(enum.Enum):
    Raw = 0
    Smpte170m = 1
    Rec709 = 2
    Rec2020 = 3


class _TransferFunction(enum.Enum):
    Linear = 0
    Srgb = 1
    Rec709 = 2


class _YcbcrEncoding(enum.Enum):
    Null = 0
    Rec601 = 1
    Rec709 = 2
    Rec2020 = 3


class _Range(enum.Enum):
    Full = 0
    Limited = 1


class ColorSpace:
    Primaries = _Primaries
    TransferFunction = _TransferFunction
    YcbcrEncoding = _YcbcrEncoding
    Range = _Range

    def __init__(
        self,
        primaries: _Primaries | ColorSpace,
        transferFunction: _TransferFunction = _TransferFunction.Linear,
        ycbcrEncoding: _YcbcrEncoding = _YcbcrEncoding.Null,
        range: _Range = _Range.Full,  # noqa: A002
    ) -> None:
        self.primaries: _Primaries
        self.transferFunction, self.ycbcrEncoding, self.range = (
            transferFunction,
            ycbcrEncoding,
            range,
        )
        if isinstance(primaries, ColorSpace):
            vars(self).update(vars(primaries))
        else:
            self.primaries = primaries

    def __str__(self) -> str:
        return f"<libcamera.ColorSpace '{self.primaries.name}/{self.range.name}'>"

    @staticmethod
    def Raw() -> ColorSpace:
        return ColorSpace(_Primaries.Raw)

    @staticmethod
    def Srgb() -> ColorSpace:
        return ColorSpace(_Primaries.Rec709, _TransferFunction.Srgb)

    @staticmethod
    def Sycc() -> ColorSpace:
        return ColorSpace(_Primaries.Rec709, _TransferFunction.Srgb, _YcbcrEncoding.Rec601)

    @staticmethod
    def Smpte170m() -> ColorSpace:
        video = (_TransferFunction.Rec709, _YcbcrEncoding.Rec601, _Range.Limited)
        return ColorSpace(_Primaries.Smpte170m, *video)

    @staticmethod
    def Rec709() -> ColorSpace:
        video = (_TransferFunction.Rec709, _YcbcrEncoding.Rec709, _Range.Limited)
        return ColorSpace(_Primaries.Rec709, *video)

    @staticmethod
    def Rec2020() -> ColorSpace:
        video = (_TransferFunction.Rec709, _YcbcrEncoding.Rec2020, _Range.Limited)
        return ColorSpace(_Primaries.Rec2020, *video)
