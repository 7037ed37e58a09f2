"""The STUN and TURN servers of the configuration, with their passwords read from their files.

It must not know who asks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.credentials import read_password
from mqcam.servers import IceServer

if TYPE_CHECKING:
    from mqcam_device.settings import DeviceSettings


def read_servers(settings: DeviceSettings) -> tuple[IceServer, ...]:
    """Return the servers; raise CredentialsError when a password cannot be read."""
    return tuple(
        IceServer(
            urls=tuple(str(url) for url in server.urls),
            username=server.username,
            credential=""
            if server.credential_file is None
            else read_password(server.credential_file),
        )
        for server in settings.ice.servers
    )
