"""Where the broker is at present, and by which trust it is reached: both may change under way.

It must not know MQTT, nor who decides.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.mqtt.dial import Dialer
from mqcam.mqtt.tls import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.broker import BrokerAddress, BrokerSettings, MqttTimings

logger = logging.getLogger(__name__)


class Directions:
    """Return who dials and in which order; ``is_clock_believed`` is asked at every connect.

    Without a clock nobody can tell whether a certificate is of its time. With a pinned authority
    its dates are then not looked at: only the owner's authority can have made it. Whoever trusts
    the authorities of the system must look, because they are many.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        timings: MqttTimings,
        is_clock_believed: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._timings = timings
        self._is_clock_believed = is_clock_believed
        self._preferred: BrokerAddress | None = None
        self._dialer: Dialer | None = None
        self._dialled: BrokerSettings | None = None

    @property
    def settings(self) -> BrokerSettings:
        """What is followed."""
        return self._settings

    @property
    def skips_dates(self) -> bool:
        """Tell whether the last attempt looked away from the dates of a certificate."""
        used = self._dialled
        return used is not None and _can_skip_dates(used) and not used.check_dates

    def change(self, settings: BrokerSettings) -> None:
        """Follow other settings from the next attempt on."""
        self._settings = settings

    def covers(self, address: BrokerAddress) -> bool:
        """Tell whether the broker may still be at ``address``."""
        return address in self._settings.addresses

    def prefer(self, address: BrokerAddress) -> None:
        """Begin with ``address`` the next time."""
        self._preferred = address

    def addresses(self) -> list[BrokerAddress]:
        """Return what to try, the one that worked last first."""
        return sorted(self._settings.addresses, key=lambda address: address != self._preferred)

    def dialer(self) -> Dialer:
        """Return who dials now; raise BrokerTlsError if the pinned authority cannot be read."""
        is_checked = self._settings.check_dates and self._is_clock_believed()
        wanted = replace(self._settings, check_dates=is_checked)
        if self._dialer is None or wanted != self._dialled:
            did_skip = self.skips_dates
            context = tls_context(wanted)
            self._dialer = Dialer(wanted, timings=self._timings, context=context)
            self._dialled = wanted
            if self.skips_dates and not did_skip:
                logger.info(
                    "the clock of this machine is not synchronised: until it is, the dates of the "
                    "broker's certificate are not checked, its authority is"
                )
        return self._dialer


def _can_skip_dates(settings: BrokerSettings) -> bool:
    is_encrypted = any(address.scheme.is_encrypted for address in settings.addresses)
    return is_encrypted and settings.ca_pem is not None
