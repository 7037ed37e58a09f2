"""The STUN and TURN servers of the agent, with their passwords and secrets read from their files.

It must not know who asks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqcam.credentials import read_password
from mqcam.servers import IceServer

from mqcam_device.lending import SharedSecret

if TYPE_CHECKING:
    from mqcam.credentials import Credentials

    from mqcam_device.settings import DeviceSettings, IceServerSettings


VALIDITY_S: Final = 3600
"""How long an account for the relay beside the broker opens new relays."""


def read_servers(
    settings: DeviceSettings, credentials: Credentials | None = None
) -> tuple[IceServer | SharedSecret, ...]:
    """Return the servers of the configuration, and the relay beside the broker.

    Raises CredentialsError when a password or a secret cannot be read.
    """
    servers = [_read(server) for server in settings.ice.servers]
    if credentials is not None and credentials.turn and credentials.turn_secret is not None:
        urls, secret = credentials.turn, credentials.turn_secret
        servers.append(SharedSecret(urls=urls, secret=secret, validity_s=VALIDITY_S))
    return tuple(servers)


def secrets_of(servers: tuple[IceServer | SharedSecret, ...]) -> list[str]:
    """Return what no log may hold."""
    texts = (each.secret if isinstance(each, SharedSecret) else each.credential for each in servers)
    return [text for text in texts if text]


def _read(server: IceServerSettings) -> IceServer | SharedSecret:
    urls = tuple(str(url) for url in server.urls)
    if server.shared_secret_file is not None:
        secret = read_password(server.shared_secret_file)
        return SharedSecret(urls=urls, secret=secret, validity_s=server.validity_s)
    password = "" if server.credential_file is None else read_password(server.credential_file)
    return IceServer(urls=urls, username=server.username, credential=password)
