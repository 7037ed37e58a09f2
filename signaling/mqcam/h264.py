"""Read H.264 byte streams (ITU-T H.264 Annex B) just enough to label and repair them.

It must not know encoders or any third-party library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SLICE = 1
IDR_SLICE = 5
SEI = 6
SPS = 7
PPS = 8

MAX_SET_BYTES = 4096
"""No parameter set is longer: one with all scaling lists and the rest has a kilobyte."""

_START_CODE = b"\x00\x00\x01"
_LONG_START_CODE = b"\x00\x00\x00\x01"
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_B_SLICE_TYPES = (1, 6)
_LONGEST_CODE_BITS = 32
_MOST_MACROBLOCKS = 139_264
_MOST_MACROBLOCKS_ASIDE = 1055
"""Of a picture, and of one of its sides, at level 6.2 (A.3.1): 8192x4352."""


def iterate_nals(stream: bytes) -> Iterator[bytes]:
    """Yield each NAL unit of an Annex B stream without its start code."""
    at = stream.find(_START_CODE)
    while at >= 0:
        begin = at + len(_START_CODE)
        at = stream.find(_START_CODE, begin)
        # Zeros in front of a start code belong to it: no NAL unit ends in a zero (7.4.1).
        nal = (stream[begin:] if at < 0 else stream[begin:at]).rstrip(b"\x00")
        if nal:
            yield nal


def nal_type(nal: bytes) -> int:
    """Return nal_unit_type, 0 for an empty unit."""
    return nal[0] & 0x1F if nal else 0


def is_keyframe(unit: bytes) -> bool:
    """Tell whether the picture is an IDR, from its first slice."""
    at = unit.find(_START_CODE)
    while 0 <= at < len(unit) - len(_START_CODE):
        kind = unit[at + len(_START_CODE)] & 0x1F
        if kind in (SLICE, IDR_SLICE):
            return kind == IDR_SLICE
        at = unit.find(_START_CODE, at + len(_START_CODE))
    return False


def has_b_slices(unit: bytes) -> bool:
    """Tell whether the picture's first slice is a B slice: such streams cannot be sent live."""
    for nal in iterate_nals(unit):
        if nal_type(nal) in (SLICE, IDR_SLICE):
            bits = _Bits(_unescape(nal[1:16]))
            try:
                bits.unsigned()  # first_mb_in_slice
                return bits.unsigned() in _B_SLICE_TYPES
            except EOFError:
                return False
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceParameters:
    """What a sequence parameter set says; sizes in pixels after cropping."""

    profile_level_id: str
    width: int
    height: int
    is_progressive: bool = True


def parse_sps(nal: bytes) -> SequenceParameters:
    """Read a sequence parameter set; raises SourceError when it is damaged."""
    # Header, profile, constraints and level at least.
    if nal_type(nal) != SPS or not 4 <= len(nal) <= MAX_SET_BYTES:  # noqa: PLR2004
        raise SourceError("H.264 stream", "the sequence parameter set is damaged")
    try:
        width, height, is_progressive = _parse_size(_Bits(_unescape(nal[4:])), profile=nal[1])
    except EOFError as error:
        raise SourceError("H.264 stream", "the sequence parameter set is damaged") from error
    return SequenceParameters(
        profile_level_id=nal[1:4].hex(), width=width, height=height, is_progressive=is_progressive
    )


class Normaliser:
    """Make every keyframe self-contained: SPS and PPS in front, remembered from before."""

    def __init__(self) -> None:
        self._sps: bytes | None = None
        self._pps: dict[int, bytes] = {}
        self._started = False

    @property
    def sequence(self) -> bytes | None:
        """The sequence parameter set that was remembered last."""
        return self._sps

    def add_parameter_sets(self, stream: bytes) -> None:
        """Remember the sets of a stream's header (Annex B), for encoders that send them once."""
        for nal in iterate_nals(stream):
            self._remember(nal)

    def normalise(self, unit: bytes) -> tuple[bytes, bool] | None:
        """Return the unit and whether it is a keyframe; None before the first usable keyframe."""
        if not is_keyframe(unit):
            self.add_parameter_sets(unit[:512])  # sets may come ahead of their keyframe
            return (unit, False) if self._started else None
        kinds = []
        for nal in iterate_nals(unit):
            kind = nal_type(nal)
            kinds.append(kind)
            if kind in (SPS, PPS):
                self._remember(nal)
        if self._sps is None or not self._pps:
            return None
        self._started = True
        first_slice = kinds.index(IDR_SLICE)
        if SPS in kinds[:first_slice] and PPS in kinds[:first_slice]:
            return unit, True
        sets = (self._sps, *self._pps.values())
        return b"".join(_LONG_START_CODE + nal for nal in sets) + unit, True

    def _remember(self, nal: bytes) -> None:
        kind = nal_type(nal)
        if len(nal) > MAX_SET_BYTES:
            return
        if kind == SPS:
            if nal != self._sps:
                self._pps.clear()  # they belong to the sequence that has ended
            self._sps = nal
        elif kind == PPS:
            try:
                self._pps[_Bits(_unescape(nal[1:6])).unsigned() & 0xFF] = nal
            except EOFError:
                return


def _unescape(payload: bytes) -> bytes:
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


class _Bits:
    """A bit reader with the Exp-Golomb codes of 9.1; raises EOFError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _LONGEST_CODE_BITS:
                raise EOFError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _parse_size(bits: _Bits, *, profile: int) -> tuple[int, int, bool]:
    """Walk 7.3.2.1.1 as far as the cropping rectangle; EOFError for a size that is none."""
    bits.unsigned()  # seq_parameter_set_id
    chroma_format = 1
    if profile in _HIGH_PROFILES:
        chroma_format = _parse_high_profile_fields(bits)
    bits.unsigned()  # log2_max_frame_num_minus4
    _skip_picture_order_count(bits)
    bits.unsigned()  # max_num_ref_frames
    bits.take(1)  # gaps_in_frame_num_value_allowed_flag
    width_mbs = bits.unsigned() + 1
    height_units = bits.unsigned() + 1
    is_progressive = bits.take(1)
    if not is_progressive:
        bits.take(1)  # mb_adaptive_frame_field_flag
    bits.take(1)  # direct_8x8_inference_flag
    height_mbs = height_units * (2 - is_progressive)
    if (
        max(width_mbs, height_mbs) > _MOST_MACROBLOCKS_ASIDE
        or width_mbs * height_mbs > _MOST_MACROBLOCKS
    ):
        raise EOFError
    width, height = width_mbs * 16, height_mbs * 16
    if bits.take(1):
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        unit_x = 2 if chroma_format in (1, 2) else 1
        unit_y = (2 if chroma_format == 1 else 1) * (2 - is_progressive)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if min(width, height) < 1:
        raise EOFError
    return width, height, bool(is_progressive)


def _parse_high_profile_fields(bits: _Bits) -> int:
    chroma_format = bits.unsigned()
    if chroma_format == 3:  # noqa: PLR2004 - 4:4:4
        bits.take(1)
    bits.unsigned()  # bit_depth_luma_minus8
    bits.unsigned()  # bit_depth_chroma_minus8
    bits.take(1)  # qpprime_y_zero_transform_bypass_flag
    if bits.take(1):
        for index in range(8 if chroma_format != 3 else 12):  # noqa: PLR2004
            if bits.take(1):
                _skip_scaling_list(bits, size=16 if index < 6 else 64)  # noqa: PLR2004
    return chroma_format


def _skip_scaling_list(bits: _Bits, *, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order_count(bits: _Bits) -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()
