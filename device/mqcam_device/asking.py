"""Which running agent a command means: by the credentials, or because there is only one.

It must not know what is asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mqcam.credentials import credentials_of
from mqcam.errors import CredentialsError

from mqcam_device import folders
from mqcam_device.control import running, socket_path

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_device.settings import DeviceSettings


def whom_to_ask(settings: DeviceSettings) -> tuple[str, Path]:
    """Return the name of the agent to ask and the folder with its socket.

    Members of the group that owns the socket may ask without reading the credentials.
    """
    places = folders.places_to_ask(settings.runtime_dir)
    try:
        name = credentials_of("device", settings.credentials).name
    except CredentialsError:
        found = [(name, place) for place in places for name in running(place)]
        if len(found) != 1:
            raise
        return found[0]
    has_socket = (place for place in places if os.path.exists(socket_path(name, place)))  # noqa: PTH110 - no error where we may not look
    return name, next(has_socket, places[0])
