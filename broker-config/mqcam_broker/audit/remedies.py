"""What to do about each thing that an audit may find to be bad, in one sentence.

It must not know how anything is found out. It speaks of mosquitto, which most have; other brokers
have the same under other names.
"""

from __future__ import annotations

from typing import Final

_RULES: Final = (
    "give mosquitto an acl_file with rules for each user: 'mqcam-broker init' or 'mqcam-broker "
    "export --existing' writes them"
)
_PASSWORDS: Final = (
    "say 'allow_anonymous false' and name a password_file, once every other program there has a "
    "password"
)
REMEDIES: Final = {
    "encryption": "give it a listener with certfile and keyfile, and mqtts:// in every file",
    "TLS 1.1": "say 'tls_version tlsv1.2' below its listener",
    "certificate": "renew it ('mqcam-broker renew' at our own); if it is another than the "
    "credentials name, find out who answers at this address before a password goes there",
    "anonymous": _PASSWORDS,
    "unknown user": _PASSWORDS,
    "wrong password": _PASSWORDS,
    "read $SYS": "allow no 'topic read $SYS/#' and no '#' to others than its owner",
    "read outside mqcam": "allow this account mqcam's topics only: no 'topic read #'",
    "a very large letter": "say 'max_packet_size 65536', if nothing else there sends larger ones",
}


def remedy(check: str) -> str:
    """Return what to do when ``check`` came out badly."""
    return REMEDIES.get(check, _RULES)
