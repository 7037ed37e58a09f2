"""Every error that mqcam raises on purpose, as one tree.

It must not know any third-party library: boundaries translate with ``raise ... from``.

MqcamError
├── ConfigError              the configuration, with all of its problems
├── CredentialsError         a credentials or key file that cannot be used
├── KeyUnusable              a text that is no key
├── UriUnusable              a line that is neither somebody's credentials nor an invitation
├── BrokerAddressError       an address of a broker that cannot be read
├── MissingRequirement       a program, package or version that this machine lacks
├── UsageError               a command that cannot be meant as it was typed
├── SetupError               the broker's directory cannot be used or changed as asked
│   └── NotSetUp             there is no complete broker in that directory
├── ControlError             a running agent that cannot be asked, or another with its name
├── BrokerError              the broker: reason, address, retryable
│   ├── BrokerUnreachable    no address answered
│   ├── BrokerTimeout        an answer did not come in time
│   ├── BrokerRefused        user, password or client id were not accepted
│   │   └── AccountRefused       the account is unknown there, or was removed
│   ├── BrokerTlsError       the broker's certificate was not accepted
│   ├── BrokerTooOld         the broker speaks no MQTT 5
│   ├── PublishRefused       the broker's access rules forbid this topic
│   ├── SubscribeRefused     the broker's access rules forbid this subscription
│   └── DeliveryTimeout      a message outlived its deadline in the outbox
├── ProtocolError
│   ├── LocalProtocolError   we broke a rule: a mistake in this program
│   └── RemoteProtocolError  the other side broke a rule
│       ├── MalformedMessage     a body that cannot be decoded
│       ├── UnsupportedVersion   a body of a wire version that we do not speak
│       ├── Unauthentic          a body that nobody we trust has signed
│       ├── DocumentRefused      a certificate, a grant or an owner's state that does not hold
│       ├── OfferRefused         an offer that this camera cannot answer
│       └── AnswerRefused        an answer that this viewer cannot use
├── SessionError             a session that ended: code and text as the peer or we said it
├── MediaError
│   ├── ConnectFailed        the peers found no way to each other
│   ├── SourceError          a camera, film or encoder that cannot run
│   ├── RecordingFailed      a file that cannot be written; what it holds can be played
│   └── StreamEnded          no further frames will come
└── StageTimeout             a stage that outlived its deadline: stage, after_s
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class MqcamError(Exception):
    """Base of everything that mqcam raises on purpose."""


class _Coded(MqcamError):
    """``code`` is for programs, ``text`` for people."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(code, text)

    def __str__(self) -> str:
        return self.text


class _Remedied(MqcamError):
    """``what`` is wrong, and ``remedy`` is the next step."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what, remedy)

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class _OfFile(MqcamError):
    """The file at ``path`` is in trouble: ``reason`` in words."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(path, reason)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a configuration file; line and column count from 1.

    Line 0: it stands in no line; no key: it is about the whole file.
    """

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(MqcamError):
    """A configuration with mistakes, all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class CredentialsError(_OfFile):
    """A credentials or key file that cannot be used."""


class KeyUnusable(MqcamError):
    """A text that is no key; the message never repeats it."""


class UriUnusable(MqcamError):
    """A line that opens no account; ``reason`` never repeats it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return f"the mqcam: line {self.reason}"


class BrokerAddressError(MqcamError):
    """An address of a broker that cannot be read; ``address`` never holds a password."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(address, reason)

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}"


class MissingRequirement(_Remedied):
    """Something that this machine lacks, with the way to get it."""


class UsageError(_Remedied):
    """A command that cannot be meant as it was typed, with the way to type it."""


class SetupError(_Remedied):
    """A broker's directory that cannot be used or changed as asked, with the next step."""


class NotSetUp(SetupError):
    """A directory that holds no complete broker."""


class ControlError(_Coded):
    """A running agent that cannot be asked."""


class BrokerError(MqcamError):
    """Trouble with the broker at ``address``; ``retryable`` if waiting can cure it."""

    retryable = True

    def __init__(self, reason: str, *, address: str | None = None) -> None:
        self.reason = reason
        self.address = address
        super().__init__(reason)

    def __str__(self) -> str:
        return f"broker {self.address}: {self.reason}" if self.address else self.reason


NO_ANSWER: Final = "no answer to the connection attempt: check address, network and firewall"
UNKNOWN_NAME: Final = "its name is not known: check the address and the DNS server"


class BrokerUnreachable(BrokerError):
    """No address of the broker answered."""

    @classmethod
    def because(cls, error: OSError, *, address: str) -> BrokerUnreachable:
        """Say what an attempt to connect to ``address`` failed of, and what to check."""
        return cls(_unreached(error), address=address)

    def __str__(self) -> str:
        where = f" ({self.address})" if self.address else ""
        return f"the broker cannot be reached from here{where}: {self.reason}"


class BrokerTimeout(BrokerError):
    """The broker did not answer in time."""


class BrokerRefused(BrokerError):
    """The broker did not accept the user, the password or the client id."""

    retryable = False


class AccountRefused(BrokerRefused):
    """The broker knows no such account, or not with this password."""


class BrokerTlsError(BrokerError):
    """The broker's certificate was not accepted."""

    retryable = False


class BrokerTooOld(BrokerError):
    """The broker speaks no MQTT 5."""

    retryable = False


class PublishRefused(BrokerError):
    """The broker's access rules forbid publishing on this topic."""

    retryable = False


class SubscribeRefused(BrokerError):
    """The broker's access rules forbid this subscription."""

    retryable = False


class DeliveryTimeout(BrokerError):
    """A message outlived its deadline before the broker took it."""


class ProtocolError(MqcamError):
    """A broken rule of the wire protocol."""


class LocalProtocolError(ProtocolError):
    """A rule that this program broke."""


class RemoteProtocolError(_Coded, ProtocolError):
    """A rule that the other side broke."""


class MalformedMessage(RemoteProtocolError):
    """A body that cannot be decoded."""

    def __init__(self, text: str) -> None:
        super().__init__("malformed", text)


class UnsupportedVersion(RemoteProtocolError):
    """A body of a wire version that we do not speak."""

    def __init__(self, theirs: int, ours: int) -> None:
        self.theirs = theirs
        self.ours = ours
        super().__init__(
            "unsupported-version",
            f"the message is of wire version {theirs}, this program speaks {ours}: "
            "install the same release on both sides",
        )


class Unauthentic(RemoteProtocolError):
    """A body that nobody we trust has signed."""

    def __init__(self, text: str) -> None:
        super().__init__("unauthentic", text)


class DocumentRefused(RemoteProtocolError):
    """A certificate, a grant or an owner's state that does not hold."""


class OfferRefused(RemoteProtocolError):
    """An offer that this camera cannot answer."""


class AnswerRefused(RemoteProtocolError):
    """An answer that this viewer cannot use."""


class SessionError(_Coded):
    """A session that ended; ``code`` is a word of the wire or our own."""


class MediaError(MqcamError):
    """Trouble with the picture or its way."""


class ConnectFailed(MediaError):
    """The peers found no way to each other; ``stage`` is ``ice``, ``dtls`` or ``sctp``."""

    def __init__(self, stage: str, text: str) -> None:
        self.stage = stage
        self.text = text
        super().__init__(stage, text)

    def __str__(self) -> str:
        return self.text


class SourceError(MediaError):
    """A camera, film or encoder that cannot run."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(source, reason)

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class RecordingFailed(_OfFile, MediaError):
    """A recording that cannot go on."""


class StreamEnded(_Coded, MediaError):
    """No further frames will come."""


class StageTimeout(MqcamError):
    """A stage that outlived its deadline of ``after_s`` seconds."""

    def __init__(self, stage: str, after_s: float, text: str) -> None:
        self.stage = stage
        self.after_s = after_s
        self.text = text
        super().__init__(stage, after_s, text)

    def __str__(self) -> str:
        return f"{self.text} (gave up on {self.stage} after {self.after_s:g} s)"


def _unreached(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    # asyncio makes one error without a number of those of several addresses.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "nothing listens there: is the broker running, is the port right?"
    why = os.strerror(error.errno) if error.errno else "no address answered"
    return f"no connection ({why}): check address and network"
