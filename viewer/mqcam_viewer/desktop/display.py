"""Whether a window can open here, and what is missing where it cannot.

It must not know Qt: where something is missing Qt aborts the whole program, so it is asked first.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_DISPLAY: Final = (
    "there is no display here to open a window on: "
    "'mqcam-viewer list' and 'mqcam-viewer probe CAM' need none"
)

LIBRARIES: Final = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
}
"""What Qt loads everywhere, and the Debian package of each."""

X_LIBRARIES: Final = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""What its plugin for X loads beside."""


def problem(environment: Mapping[str, str]) -> str | None:
    """Return in one sentence why no window can open here, None if one can."""
    if not sys.platform.startswith("linux"):
        return None
    platform = environment.get("QT_QPA_PLATFORM", "")
    has_wayland = bool(environment.get("WAYLAND_DISPLAY"))
    if not platform and not has_wayland and not environment.get("DISPLAY"):
        return NO_DISPLAY
    is_x = platform == "xcb" or (not platform and not has_wayland)
    missing = [
        package
        for library, package in {**LIBRARIES, **(X_LIBRARIES if is_x else {})}.items()
        if not is_there(library)
    ]
    if missing:
        return f"the window needs: apt-get install {' '.join(missing)}"
    if is_x and not answers():
        name = environment.get("DISPLAY", "")
        return f"the display {name} cannot be opened: is it running, and may this user use it?"
    return None


def is_there(library: str) -> bool:
    """Tell whether a shared library can be loaded."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def answers() -> bool:
    """Tell whether the X server that DISPLAY names lets us in."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return False
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    for name in ("xcb_connection_has_error", "xcb_disconnect"):
        getattr(xcb, name).argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not failed
