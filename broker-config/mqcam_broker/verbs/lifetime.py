"""Until when a viewer may watch, as a person says it.

It must not know who the viewer is; the present comes in as an argument.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mqcam.errors import UsageError

DAYS_MAX = 36_500
DATE_CHARS = len("2027-03-31")


def last_second(until: str | None, days: int | None, *, now: datetime) -> int | None:
    """Return the Unix second of an end that is given as a date or in days; None: no end.

    A date is meant with its whole day, and like a time as this machine's clock shows it. Raises
    UsageError for what is over or cannot be read.
    """
    if days is not None:
        if not 1 <= days <= DAYS_MAX:
            raise UsageError(f"--days {days}", f"give a number from 1 to {DAYS_MAX}")
        return int((now + timedelta(days=days)).timestamp())
    if until is None:
        return None
    end = _end(until)
    if end <= now:
        raise UsageError(f"{until} is over", "give a day or time to come with --until")
    return int(end.timestamp())


def _end(until: str) -> datetime:
    try:
        moment = datetime.fromisoformat(until)
        if len(until) <= DATE_CHARS:
            moment = moment.replace(hour=23, minute=59, second=59)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the latter in the years 1 and 9999
        raise UsageError(
            f"{until!r} is no date", "write it as 2027-03-31, or as 2027-03-31T18:00"
        ) from error
