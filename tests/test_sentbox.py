"""What was sent is kept in one step, known again, and claimed by one worker at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from receiver.sms import Sent, Sms
from receiver.store.connection import Connection
from receiver.store.sentbox import Poll, SentBox

ONE, TWO, THREE = "+27637885448", "+27637885449", "+255712345678"
WEEK = 604_800
MINUTE = timedelta(minutes=1)


@pytest.fixture
def box(redis_url: str, redis: Redis) -> SentBox:
    """The sent box of an empty database."""
    return SentBox(Connection(redis_url), "receiver", WEEK)


def sms(*numbers: str, **more: Any) -> Sms:
    return Sms(**{"recipients": numbers or (ONE,), "text": "hello", "key": "k", **more})


def soon() -> datetime:
    """A time at which the first poll of what is sent now is due."""
    return datetime.now(UTC) + timedelta(seconds=61)


def claimed(box: SentBox, now: datetime | None = None) -> list[Poll]:
    return box.due(now or soon(), 100, 600)


# --- whom it was sent to


def test_recipients_are_known_by_message_id_and_by_reference(box: SentBox) -> None:
    box.keep("shop", sms(ONE, TWO, client_reference="r-1"), Sent(message_id="m-1"), poll=False)
    everybody = (ONE, TWO, THREE)
    assert box.recipients_of("shop", "m-1", None, everybody) == {ONE, TWO}
    assert box.recipients_of("shop", None, "r-1", everybody) == {ONE, TWO}
    assert box.recipients_of("shop", "m-1", None, (TWO,)) == {TWO}


UNKNOWN = {
    "another id": ("shop", "m-2", None),
    "another reference": ("shop", None, "r-2"),
    "another account": ("other", "m-1", "r-1"),
    "an id that is a reference": ("shop", "r-1", "m-1"),
    "nothing": ("shop", None, None),
    "empty": ("shop", "", ""),
}


@pytest.mark.parametrize("asked", UNKNOWN.values(), ids=UNKNOWN)
def test_what_was_not_sent_is_unknown(box: SentBox, asked: tuple[Any, Any, Any]) -> None:
    box.keep("shop", sms(client_reference="r-1"), Sent(message_id="m-1"), poll=False)
    assert box.recipients_of(*asked, among=(ONE,)) == frozenset()


def test_the_id_says_more_than_the_reference_of_a_campaign(box: SentBox) -> None:
    box.keep("shop", sms(ONE, client_reference="spring"), Sent(message_id="m-1"), poll=False)
    box.keep("shop", sms(TWO, client_reference="spring"), Sent(message_id="m-2"), poll=False)
    assert box.recipients_of("shop", "m-1", "spring", (ONE, TWO)) == {ONE}
    assert box.recipients_of("shop", "m-9", "spring", (ONE, TWO)) == {ONE, TWO}


def test_an_id_for_each_recipient_names_that_one(box: SentBox) -> None:
    sent = Sent(message_id="batch", message_ids={ONE: "m-1", TWO: "m-2"})
    box.keep("shop", sms(ONE, TWO), sent, poll=False)
    assert box.recipients_of("shop", "m-2", None, (ONE, TWO)) == {TWO}
    assert box.recipients_of("shop", "batch", None, (ONE, TWO)) == {ONE, TWO}


def test_who_was_left_out_was_sent_nothing(box: SentBox) -> None:
    box.keep("shop", sms(ONE, TWO), Sent(message_id="m-1", refused=(TWO,)), poll=True)
    assert box.recipients_of("shop", "m-1", None, (ONE, TWO)) == {ONE}
    assert [poll.recipients for poll in claimed(box)] == [(ONE,)]


def test_what_is_kept_expires_and_a_daily_reference_does_not_grow_for_ever(
    box: SentBox, redis: Any
) -> None:
    box.keep("shop", sms(ONE, client_reference="daily"), Sent(message_id=None), poll=False)
    (key,) = redis.keys("receiver:sent:*")
    assert 0 < redis.ttl(key) <= WEEK
    redis.zadd(key, {ONE: 1.0})  # long ago
    box.keep("shop", sms(TWO, client_reference="daily"), Sent(message_id=None), poll=False)
    assert redis.zrange(key, 0, -1) == [TWO]


def test_no_number_is_in_a_key_or_in_a_repr(box: SentBox, redis: Any) -> None:
    sent = Sent(message_id=f"{ONE},m-1", message_ids={ONE: f"{ONE},m-1"})
    box.keep("shop", sms(client_reference=ONE), sent, poll=True)
    digits = ONE.removeprefix("+")
    assert not [key for key in redis.keys("*") if digits in key]
    assert redis.zrange("receiver:polls", 0, -1) != []
    assert digits not in str(redis.zrange("receiver:polls", 0, -1))
    box.keep("shop", sms(), Sent(message_id="m-2"), poll=True)
    assert digits not in repr([poll for poll in claimed(box) if poll.message_id == "m-2"])


# --- what is to be asked about


def test_a_poll_is_due_a_minute_after_the_send(box: SentBox) -> None:
    now = datetime.now(UTC)
    box.keep("shop", sms(client_reference="r-1"), Sent(message_id="m-1"), poll=True)
    assert not box.is_due(now + timedelta(seconds=50))
    assert claimed(box, now + timedelta(seconds=50)) == []
    assert box.is_due(soon())
    (poll,) = claimed(box)
    assert (poll.account, poll.message_id, poll.recipients) == ("shop", "m-1", (ONE,))
    assert (poll.client_reference, poll.refusals) == ("r-1", 0)
    assert abs(poll.sent_at - now) < MINUTE


def test_a_scheduled_sms_is_asked_about_after_its_time(box: SentBox, redis: Any) -> None:
    later = datetime.now(UTC) + timedelta(days=7)
    box.keep("shop", sms(schedule=later), Sent(message_id="m-1"), poll=True)
    assert not box.is_due(later)
    (poll,) = claimed(box, later + MINUTE)
    assert poll.sent_at == later
    assert redis.ttl(f"receiver:poll:{poll.id}") > timedelta(days=10, hours=23).total_seconds()


NOT_ASKED = {
    "not polled": (Sent(message_id="m-1"), False),
    "no id": (Sent(message_id=None), True),
    "nobody": (Sent(message_id="m-1", refused=(ONE,)), True),
}


@pytest.mark.parametrize(("sent", "poll"), NOT_ASKED.values(), ids=NOT_ASKED)
def test_what_cannot_be_asked_about_is_not(box: SentBox, sent: Sent, poll: bool) -> None:
    box.keep("shop", sms(), sent, poll=poll)
    assert not box.is_due(soon())


def test_ids_of_recipients_are_asked_about_each(box: SentBox) -> None:
    sent = Sent(message_id="batch", message_ids={ONE: "m-1", TWO: "m-2", THREE: "m-2"})
    box.keep("shop", sms(ONE, TWO, THREE), sent, poll=True)
    found = {poll.message_id: poll.recipients for poll in claimed(box)}
    assert found == {"m-1": (ONE,), "m-2": (TWO, THREE)}


def test_keeping_again_changes_nothing(box: SentBox, redis: Any) -> None:
    for _ in range(2):
        box.keep("shop", sms(client_reference="r"), Sent(message_id="m-1"), poll=True)
    (poll,) = claimed(box)
    box.keep("shop", sms(client_reference="r"), Sent(message_id="m-1"), poll=True)
    assert claimed(box) == []  # it is still claimed
    assert redis.zcard("receiver:polls") == 1
    assert claimed(box, soon() + 11 * MINUTE) == [poll]


def test_a_claim_is_one_workers_until_its_lease_ends(box: SentBox) -> None:
    for number in range(5):
        box.keep("shop", sms(), Sent(message_id=f"m-{number}"), poll=True)
    now = soon()
    first, second = box.due(now, 3, 600), box.due(now, 3, 600)
    assert [len(first), len(second)] == [3, 2]
    assert {poll.id for poll in first}.isdisjoint(poll.id for poll in second)
    assert claimed(box, now + 9 * MINUTE) == []
    assert len(claimed(box, now + 11 * MINUTE)) == 5


def test_a_settled_poll_is_due_at_its_time_or_never(box: SentBox, redis: Any) -> None:
    box.keep("shop", sms(ONE, TWO), Sent(message_id="m-1"), poll=True)
    (poll,) = claimed(box)
    rest = Poll(**{name: getattr(poll, name) for name in poll.__slots__} | {"recipients": (TWO,)})
    now = soon()
    box.settle(rest, now + 2 * MINUTE)
    assert not box.is_due(now + MINUTE)
    assert claimed(box, now + 2 * MINUTE) == [rest]
    assert redis.ttl(f"receiver:poll:{poll.id}") > timedelta(days=3).total_seconds()
    box.settle(rest, None)
    box.settle(poll, now)  # somebody whose lease had ended
    assert redis.keys("receiver:poll*") == []


def test_a_poll_whose_record_is_gone_is_forgotten(box: SentBox, redis: Any) -> None:
    box.keep("shop", sms(), Sent(message_id="m-1"), poll=True)
    redis.delete(*redis.keys("receiver:poll:*"))
    assert claimed(box) == []
    assert redis.exists("receiver:polls") == 0


def test_an_account_is_paused_until_a_time(box: SentBox, redis: Any) -> None:
    assert box.paused_until("shop") is None
    until = datetime.now(UTC) + MINUTE
    box.pause("shop", until)
    assert box.paused_until("shop") == until
    assert box.paused_until("other") is None
    assert 0 < redis.ttl("receiver:polls-paused:shop") <= 61


def test_five_hundred_recipients_are_kept_in_one_step(box: SentBox, redis: Any) -> None:
    numbers = tuple(f"+2763788{number:04d}" for number in range(500))
    ids = {number: f"m-{number}" for number in numbers}
    before = redis.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]
    box.keep("shop", sms(*numbers), Sent(message_id="batch", message_ids=ids), poll=True)
    assert redis.info("commandstats")["cmdstat_exec"]["calls"] - before == 1
    assert redis.zcard("receiver:polls") == 500
    assert box.recipients_of("shop", "batch", None, numbers) == set(numbers)
