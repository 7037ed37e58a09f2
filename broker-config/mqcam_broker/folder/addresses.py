"""The addresses under which devices and viewers reach the broker.

It must not know the broker's files; it asks this machine only for its name and interfaces.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import ifaddr
from mqcam.broker import BrokerAddress, Scheme
from mqcam.errors import BrokerAddressError, UsageError
from mqcam.interfaces import is_excluded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def broker_address(text: str, *, port: int, ws_port: int | None = None) -> BrokerAddress:
    """Return the address that ``text`` (a URL, a host, or host:port) stands for.

    Raises UsageError for what no client could use with the listeners on ``port`` and ``ws_port``.
    """
    url = _as_url(text)
    try:
        address = BrokerAddress.parse(url)
    except BrokerAddressError as error:
        raise UsageError(str(error), "give a host, host:port or mqtts:// address") from error
    if not address.scheme.is_encrypted:
        raise UsageError(f"{text}: this broker speaks only TLS", "begin it with mqtts:// or wss://")
    if address.scheme is Scheme.WSS and ws_port is None:
        raise UsageError(f"{text}: the websockets listener is off", "add --ws-port 8084")
    if urlsplit(url).port is not None:
        return address
    own_port = ws_port if address.scheme is Scheme.WSS and ws_port is not None else port
    return dataclasses.replace(address, port=own_port)


def existing_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of somebody else's broker, in which nothing is assumed.

    Raises UsageError for what is no URL of a broker.
    """
    try:
        return tuple(dict.fromkeys(str(BrokerAddress.parse(text)) for text in texts))
    except BrokerAddressError as error:
        raise UsageError(str(error), "give a URL, for example mqtts://ha.local:8883") from error


def own_hosts() -> tuple[str, ...]:
    """Return this machine's addresses for others, the mDNS name last as the slowest to answer."""
    found = [str(address) for address in _interface_addresses()]
    name = socket.gethostname().partition(".")[0]
    if name.isascii() and name.replace("-", "").isalnum() and name != "localhost":
        found.append(f"{name}.local")
    return tuple(dict.fromkeys(found)) or ("127.0.0.1",)


def hosts_of(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct hosts of ``urls`` in their order."""
    return tuple(dict.fromkeys(BrokerAddress.parse(url).host for url in urls))


def _as_url(text: str) -> str:
    if "://" in text:
        return text
    is_bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
    return f"mqtts://[{text}]" if is_bare_ipv6 else f"mqtts://{text}"


def _interface_addresses() -> Iterator[ipaddress.IPv4Address]:
    for adapter in ifaddr.get_adapters():
        if is_excluded(adapter.name):
            continue
        for entry in adapter.ips:
            if isinstance(entry.ip, str):
                address = ipaddress.IPv4Address(entry.ip)
                if not (address.is_loopback or address.is_link_local):
                    yield address
