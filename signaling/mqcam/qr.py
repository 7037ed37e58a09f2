"""Codes of squares (QR, ISO/IEC 18004): a line of text drawn in a terminal or file, and read again.

It must not know what the line says: it is as secret as what it opens.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from mqcam import files
from mqcam.errors import CredentialsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import av
    import segno
    from av.video.codeccontext import VideoCodecContext

MISSING_EXTRA = "pip install 'mqcam[viewer]'"
SUFFIXES = (".png", ".svg")
PICTURE_MAX_BYTES = 32 * 1024 * 1024
PICTURE_MAX_PIXELS = 64 * 1024 * 1024

_QUIET = (4, 2)
"""Light squares around a code: what the standard asks for, and what scanners are content with."""
_PICTURE_SCALE = 6
"""Pixels of one square's side in a file."""
_CODECS = {b"\x89PNG": "png", b"\xff\xd8\xff": "mjpeg", b"RIFF": "webp"}
_DARK_ON_LIGHT, _AS_BEFORE = "\x1b[30;47m", "\x1b[0m"
_HALVES = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def terminal_qr(text: str, columns: int) -> str:
    """Return ``text`` as a code for a terminal, two rows of squares a line.

    Raises UsageError when the terminal has too few columns, or the text is too long for a code.
    """
    code = _code(text)
    side, _ = code.symbol_size(border=0)
    quiet = next((each for each in _QUIET if side + 2 * each <= columns), None)
    if quiet is None:
        raise UsageError(
            f"the code needs a terminal of {side + 2 * _QUIET[-1]} columns, this one has {columns}",
            "make its letters smaller or its window wider, or have a picture written",
        )
    rows = [[int(square) for square in row] for row in code.matrix_iter(border=quiet)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = (_line(rows[at], rows[at + 1]) for at in range(0, len(rows), 2))
    return "\n".join(f"{_DARK_ON_LIGHT}{line}{_AS_BEFORE}" for line in lines)


def write_qr(path: Path, text: str) -> None:
    """Write ``text`` as a picture, PNG or SVG by the file's name, for its owner's eyes only (0600).

    Raises UsageError for another name or a text too long for a code, CredentialsError for a place
    that cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise UsageError(f"{path} is no name of a code's picture", "end it in .png or .svg")
    picture = io.BytesIO()
    _code(text).save(picture, kind=kind[1:], scale=_PICTURE_SCALE)
    try:
        files.write_atomically(path, picture.getvalue())
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error


def read_qr(path: Path) -> tuple[str, ...]:
    """Return the texts of all codes in a picture (PNG, JPEG, WebP), which is not empty.

    Raises CredentialsError, and UsageError without the library.
    """
    try:
        import zxingcpp  # noqa: PLC0415 - an extra: only who shows a picture needs it
    except ImportError as error:
        text = "reading a code from a picture needs the package zxing-cpp"
        raise UsageError(text, MISSING_EXTRA) from error
    picture = _grey(path)
    plane = picture.planes[0]
    # Rows may be padded: what stands there is beside the picture and looks like no code.
    rows = memoryview(bytes(plane)).cast("B", (picture.height, plane.line_size))
    codes = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    texts = tuple(dict.fromkeys(each.text for each in zxingcpp.read_barcodes(rows, codes)))
    if not texts:
        raise CredentialsError(
            str(path), "shows no code that can be read: take it nearer, sharper, and whole"
        )
    return texts


def _code(text: str) -> segno.QRCode:
    import segno  # noqa: PLC0415 - who prints no code need not wait for it

    try:
        return segno.make_qr(text, error="l", boost_error=True)
    except segno.DataOverflowError as error:
        what = f"{len(text)} characters are too long for a code"
        raise UsageError(what, "hand over the file instead") from error


def _line(upper: Sequence[int], lower: Sequence[int]) -> str:
    return "".join(_HALVES[squares] for squares in zip(upper, lower, strict=True))


def _grey(path: Path) -> av.VideoFrame:
    """Decode a stranger's picture: by its decoder alone, so that no file can name another."""
    import av  # noqa: PLC0415 - who only prints a code need not wait for it

    try:
        data = files.read_bounded(path, limit_bytes=PICTURE_MAX_BYTES)
    except OSError as error:
        raise CredentialsError(str(path), files.reason(error)) from error
    codec = next((name for head, name in _CODECS.items() if data.startswith(head)), None)
    if codec is None:
        raise CredentialsError(str(path), "is no picture; PNG, JPEG and WebP can be read")
    decoder = cast("VideoCodecContext", av.CodecContext.create(codec, "r"))
    decoder.options = {"max_pixels": str(PICTURE_MAX_PIXELS)}
    try:
        frames = decoder.decode(av.Packet(data))
        frames += decoder.decode(None)
    except (av.FFmpegError, ValueError) as error:
        raise CredentialsError(str(path), "is a damaged picture, or one too big") from error
    picture = next((each for each in frames if isinstance(each, av.VideoFrame)), None)
    if picture is None:
        raise CredentialsError(str(path), "is a damaged picture")
    return picture.reformat(format="gray")
