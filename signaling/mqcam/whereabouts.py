"""Where the broker is: as the owner says now, as it was before, whichever answers.

It must not know MQTT or clocks: it is told how the connection stands, and calls who reconnects.
The owner's word counts first. Where nobody answers there for a minute, the places of before are
tried, then the new ones again, turn and turn about: a typing mistake of the owner shuts nobody out
for ever, and a broker that moves back is found. Whoever is at a place of before has the owner's
probed every minute and goes as soon as it lets us in: else some would stay where others are not.
"""

from __future__ import annotations

import json
import logging
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from mqcam.broker import BrokerAddress
from mqcam.errors import BrokerAddressError, BrokerRefused, MalformedMessage
from mqcam.files import read_bounded, reason, write_atomically
from mqcam.log import fields
from mqcam.protocol.fields import read_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mqcam.broker import BrokerSettings, BrokerState
    from mqcam.errors import BrokerError
    from mqcam.trust.ownerstate import OwnerState

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 60.0
"""How long the places of one side are tried before the other side's turn."""
LOOK_S: Final = 60.0
"""How often the owner's place is probed from another one."""
ADDRESS_LIMIT: Final = 16
CA_LIMIT_CHARS: Final = 32_000


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Take it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Some addresses and the certificates (PEM) that may vouch for the broker there."""

    addresses: tuple[BrokerAddress, ...] = ()
    ca: str | None = None


class Whereabouts:
    """Lead one broker session after the owner's word.

    ``given`` is what the credentials say, ``remembered`` the owner's last word, which counts from
    the start. ``readdress`` gets other settings each time that the
    session shall look elsewhere; ``probe`` finds out whether a place would let us in and calls
    back with None or why not. ``kept`` is a file for the last place that worked, which is where
    to return to after a later move: None keeps nothing over a restart. The constructor reads it;
    ``aside`` runs what writes it, beside the event loop. ``is_hasty``: where the owner's place is
    of no use (its certificate, its version), the one of before is tried at once, because a person
    waits; where it does not know us, no other is: whoever was removed there has nothing to look
    for at one that did not hear of it.
    """

    def __init__(
        self,
        given: BrokerSettings,
        *,
        remembered: OwnerState,
        readdress: Callable[[BrokerSettings], None],
        call_later: Callable[[float, Callable[[], None]], Timer],
        probe: Callable[[BrokerSettings, Callable[[BrokerError | None], None]], None],
        kept: Path | None = None,
        aside: Callable[[Callable[[], None]], object] = lambda work: work(),
        patience_s: float = PATIENCE_S,
        look_s: float = LOOK_S,
        is_hasty: bool = False,
    ) -> None:
        self._given = given
        self._readdress = readdress
        self._call_later = call_later
        self._probe = probe
        self._kept = kept
        self._aside = aside
        self._patience_s = patience_s
        self._look_s = look_s
        self._is_hasty = is_hasty
        self._original = Place(addresses=given.addresses, ca=given.ca_pem)
        self._last_good = Place() if kept is None else _read(kept)
        self._told = _told(remembered)
        self._is_at_new = self._told is not None
        self._is_connected = False
        self._is_turn_told = False
        self._timer: Timer | None = None

    @property
    def settings(self) -> BrokerSettings:
        """Return where to look at this moment."""
        return self._new() if self._is_at_new else self._old()

    def obey(self, state: OwnerState) -> None:
        """Go where the owner says now; does nothing if he says nothing new of it."""
        told = _told(state)
        if told == self._told:
            return
        self._told = told
        self._is_at_new = told is not None
        names = ", ".join(map(str, self._new().addresses))
        logger.info("the owner says where the broker is", extra=fields(broker=names))
        self._go()

    def note(self, state: BrokerState) -> None:
        """Take how the connection stands."""
        was_connected, self._is_connected = self._is_connected, state.connected
        if state.connected:
            self._is_turn_told = False
            self._disarm()
            self._remember()
            if self._told is not None and not self._is_at_new:
                self._arm(self._look_s, self._look)
        elif self._told is not None:
            if was_connected and not self._is_at_new:
                self._is_at_new = True
                self._go()
            elif self._is_hasty and self._is_at_new and _is_refusal(state):
                self._disarm()
                if not isinstance(state.error, BrokerRefused):
                    self._turn()
            elif self._timer is None:
                self._arm(self._patience_s, self._turn)

    def close(self) -> None:
        """Look no further."""
        self._told = None
        self._disarm()

    def _go(self) -> None:
        self._readdress(self.settings)
        self._disarm()
        if self._told is not None:
            self._arm(self._patience_s, self._turn)

    def _turn(self) -> None:
        self._disarm()
        if self._is_connected or self._told is None:
            return
        self._is_at_new = not self._is_at_new
        if not self._is_turn_told:
            self._is_turn_told = True
            logger.warning(
                "the broker is not where the owner says: looking where it was before, then there "
                "again",
                extra=fields(turn_s=self._patience_s),
            )
        self._go()

    def _look(self) -> None:
        """Have the owner's place probed while another one serves us."""
        told = self._told
        self._arm(self._look_s, self._look)
        self._probe(self._new(), lambda error: self._looked(told, error))

    def _looked(self, told: Place | None, error: BrokerError | None) -> None:
        is_late = told != self._told or told is None
        if is_late or self._is_at_new or not self._is_connected:
            return
        if error is None or (self._is_hasty and isinstance(error, BrokerRefused)):
            self._is_at_new = True
            logger.info("the broker answers where the owner says: going there")
            self._go()

    def _arm(self, delay_s: float, work: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self._call_later(delay_s, work)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _new(self) -> BrokerSettings:
        told = self._told or Place()
        return replace(
            self._given,
            addresses=told.addresses or self._original.addresses,
            ca_pem=told.ca or self._original.ca,
        )

    def _old(self) -> BrokerSettings:
        """Return the places of before: the last that worked, and what the credentials say."""
        places = (self._last_good, self._original)
        addresses = dict.fromkeys(each for place in places for each in place.addresses)
        # The broker that we left may have a certificate of any authority that we were ever told of.
        told = self._told.ca if self._told else None
        authorities = dict.fromkeys((self._original.ca, self._last_good.ca, told))
        return replace(
            self._given,
            addresses=tuple(addresses)[:ADDRESS_LIMIT],
            ca_pem=None if self._original.ca is None else _joined(authorities),
        )

    def _remember(self) -> None:
        if self._told is None or not self._is_at_new:
            return
        settings = self._new()
        place = Place(addresses=settings.addresses, ca=settings.ca_pem)
        if place == self._last_good:
            return
        self._last_good = place
        if (path := self._kept) is not None:
            self._aside(lambda: _write(path, place))


def _is_refusal(state: BrokerState) -> bool:
    return state.error is not None and not state.error.retryable


def _told(state: OwnerState) -> Place | None:
    """Return the place that the owner names, None where he leaves all as the credentials say."""
    place = Place(addresses=_addresses(state.brokers), ca=_authority(state.ca))
    return None if place == Place() else place


def _addresses(texts: Iterable[str]) -> tuple[BrokerAddress, ...]:
    found = []
    for text in texts:
        try:
            found.append(BrokerAddress.parse(text))
        except BrokerAddressError as error:
            logger.warning("the owner names no address of a broker", extra=fields(reason=error))
    return tuple(found[:ADDRESS_LIMIT])


def _authority(text: str) -> str | None:
    """Return the certificates, None where there are none that TLS could use."""
    if not text:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        logger.warning("the owner names an authority that is no PEM certificate: left out")
        return None
    return text


def _joined(authorities: Iterable[str | None]) -> str:
    return "".join(each if each.endswith("\n") else f"{each}\n" for each in authorities if each)


def _read(path: Path) -> Place:
    """Return the place of before; a file that is gone or damaged costs only that."""
    try:
        found = read_object(read_bounded(path))
        addresses = found.texts("brokers", count=ADDRESS_LIMIT, limit=512)
        ca = found.text("ca", limit=CA_LIMIT_CHARS, default="")
    except FileNotFoundError:
        return Place()
    except (OSError, MalformedMessage) as error:
        logger.warning("a former place of the broker is not known", extra=fields(reason=error))
        return Place()
    return Place(addresses=_addresses(addresses), ca=ca or None)


def _write(path: Path, place: Place) -> None:
    body = {"brokers": [str(each) for each in place.addresses], "ca": place.ca or ""}
    try:
        write_atomically(path, json.dumps(body).encode())
    except OSError as error:
        logger.warning("the broker's place cannot be kept", extra=fields(reason=reason(error)))
