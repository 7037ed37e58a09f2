from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from mqcam.errors import UsageError
from mqcam_broker.verbs.lifetime import last_second

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def test_without_an_end_there_is_none() -> None:
    assert last_second(None, None, now=NOW) is None


def test_days_count_from_now() -> None:
    assert last_second(None, 30, now=NOW) == (NOW + timedelta(days=30)).timestamp()


def test_a_date_is_meant_with_its_whole_day() -> None:
    end = datetime(2027, 3, 31, 23, 59, 59).astimezone()
    assert last_second("2027-03-31", None, now=NOW) == end.timestamp()


def test_a_moment_may_name_its_zone() -> None:
    end = datetime(2027, 3, 31, 16, 0, tzinfo=UTC)
    assert last_second("2027-03-31T18:00+02:00", None, now=NOW) == end.timestamp()


@pytest.mark.parametrize(
    ("until", "days", "says"),
    [
        ("2027-02-01", None, "is over"),
        ("tomorrow", None, "is no date; write it as 2027-03-31"),
        ("31.3.2027", None, "is no date"),
        ("9999-12-31T23:59:59-14:00", None, "is no date"),
        ("0001-01-01T00:00:00+14:00", None, "is no date"),
        (None, 0, "give a number from 1"),
        (None, 10**9, "give a number from 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(until: str | None, days: int | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        last_second(until, days, now=NOW)
