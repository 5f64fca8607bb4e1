"""When an SMS was sent: SMSBox writes RFC 1123, and may write what else its samples show."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.providers.smsbox_callback import read_callback

SECONDS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=0)
)
TWO = st.integers(0, 99).map("{:02}".format)
MONTHS = st.sampled_from([*calendar.month_abbr[1:], "Mai", "jan"])
LIKE_DATES = st.tuples(TWO, MONTHS, st.integers(0, 9999), TWO, TWO, TWO).map(
    lambda parts: "Wed, {} {} {:04} {}:{}:{} GMT".format(*parts)
)


def sent_at(text: object) -> datetime | None:
    """Read a callback that was sent then."""
    return read_callback({"message": {"text": "hello"}, "timeUTC": text}).sent_at


def by_the_library(text: str) -> datetime | None:
    """Read RFC 1123 as the standard library does."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


@given(SECONDS.map(lambda when: format_datetime(when, usegmt=True)) | LIKE_DATES)
def test_a_date_as_documented_is_read_as_the_library_reads_it(text: str) -> None:
    assert sent_at(text) == by_the_library(text)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        pytest.param("Wed, 14 Jun 2017 07:00:00 GMT", "2017-06-14T07:00:00", id="as documented"),
        pytest.param(" Wed, 14 Jun 2017 07:00:00 GMT\n", "2017-06-14T07:00:00", id="with space"),
        pytest.param("Wed, 14 Jun 2017 09:00:00 +0200", "2017-06-14T07:00:00", id="an offset"),
        pytest.param("Wed, 4 Jun 2017 07:00:00 GMT", "2017-06-04T07:00:00", id="a short day"),
        pytest.param("14 Jun 2017 07:00:00 GMT", "2017-06-14T07:00:00", id="no day of the week"),
        pytest.param("2017-06-14T09:00:00+02:00", "2017-06-14T07:00:00", id="ISO 8601"),
        pytest.param("2017-06-14 07:00:00", "2017-06-14T07:00:00", id="without an offset"),
        pytest.param("Wed, 31 Feb 2017 07:00:00 GMT", None, id="no such day"),
        pytest.param("Wed, 14 Jun 2017 24:00:00 GMT", None, id="no such hour"),
        pytest.param("yesterday", None, id="no date"),
        pytest.param(1497423600, None, id="a number"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_date_is_read_in_utc_or_not_at_all(text: object, when: str | None) -> None:
    found = sent_at(text)
    assert found == (when and datetime.fromisoformat(when).replace(tzinfo=UTC))
    assert found is None or found.tzinfo is UTC
