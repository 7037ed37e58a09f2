"""TLS to a broker: whom to trust, and a handshake that does not block the event loop.

It must not know MQTT.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from mqcam.errors import BrokerError, BrokerTimeout, BrokerTlsError, BrokerUnreachable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from mqcam.broker import BrokerSettings


NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name."""


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """Build the context for all encrypted addresses, None if there is none.

    Raises ``BrokerTlsError`` if the pinned authority cannot be read.
    """
    if not any(address.scheme.is_encrypted for address in settings.addresses):
        return None
    if settings.ca_pem is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=settings.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise BrokerTlsError(
            "the broker's CA in the credentials is no PEM certificate: ask the owner for a new file"
        ) from error
    if not settings.check_dates:
        context.verify_flags |= NO_CHECK_TIME
    return context


async def encrypt(
    sock: socket.socket, context: ssl.SSLContext, *, name: str, address: str, timeout_s: float
) -> ssl.SSLSocket:
    """Return the socket inside TLS, checked against ``name``; closes it on every failure.

    Raises ``BrokerTlsError``, ``BrokerTimeout`` or ``BrokerUnreachable`` about ``address``.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _handshake(context, sock, name)
    except (OSError, ValueError) as error:  # ssl.SSLError and TimeoutError are among OSError
        raise _explained(error, name, address) from error


async def _handshake(context: ssl.SSLContext, sock: socket.socket, name: str) -> ssl.SSLSocket:
    try:
        secure = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                await _readable(secure)
            except ssl.SSLWantWriteError:
                await _writable(secure)
            else:
                return secure
    except BaseException:
        secure.close()
        raise


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _until(sock, loop.add_reader, loop.remove_reader)


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _until(sock, loop.add_writer, loop.remove_writer)


async def _until(
    sock: socket.socket, watch: Callable[..., object], unwatch: Callable[[int], object]
) -> None:
    ready = asyncio.Event()
    descriptor = sock.fileno()
    watch(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        unwatch(descriptor)


def _explained(error: Exception, name: str, address: str) -> BrokerError:
    if isinstance(error, TimeoutError):
        reason = "the TLS handshake was not answered: is this the encrypted port?"
        return BrokerTimeout(reason, address=address)
    if isinstance(error, ssl.SSLCertVerificationError):
        return BrokerTlsError(_distrust(error.verify_message, name), address=address)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        reason = "the connection ended during the TLS handshake: is this the encrypted port?"
        return BrokerUnreachable(reason, address=address)
    if isinstance(error, ssl.SSLError):
        what = error.reason or "handshake failed"
        reason = f"no TLS session was agreed ({what}): is this the encrypted port?"
        return BrokerTlsError(reason, address=address)
    if isinstance(error, ValueError):
        return BrokerTlsError(f"{name!r} is no name of a server: check server_name")
    return BrokerUnreachable(f"the TLS handshake failed ({error})", address=address)


def _distrust(message: str, name: str) -> str:
    """Say what to check about a certificate that was not accepted."""
    if "mismatch" in message:
        return (
            f"its certificate is not made for the name {name}: "
            "check server_name in the credentials, and the address"
        )
    if "expired" in message or "not yet valid" in message:
        return f"{message}: check this machine's clock, or have the broker's certificate renewed"
    return (
        f"its certificate is not from the authority in the credentials ({message}): "
        "check that address and credentials belong to the same broker"
    )
