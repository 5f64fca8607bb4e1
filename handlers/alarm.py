"""Say that an SMS failed, or that an account fell silent: in the log, and by a POST of JSON.

The POST goes to ``ALARM_URL``, where that is set. Its JSON has a ``text`` that chat systems show as
it is. Numbers are masked in both.
"""

import logging
from collections.abc import Mapping

import httpx
from flask import current_app

from receiver import Alarm, DeliveryReport, RetryLater, Router, Status

router = Router("alarm")

ALARMING = (
    Status.FAILED,
    Status.UNDELIVERED,
    Status.EXPIRED,
    Status.BLOCKED,
    Status.NO_ROUTE,
)

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_LEAST_HIDDEN = 4

_log = logging.getLogger(__name__)


@router.report(*ALARMING)
def log(report: DeliveryReport) -> None:
    """Write one warning; a report that comes after a final one says nothing new."""
    if report.stale:
        return
    _log.warning(
        "event=%s account=%s alarm=%s recipient=%s message_id=%r provider_status=%r",
        report.id,
        report.account,
        report.status,
        _masked(report.recipient),
        report.message_id,
        report.provider_status,
    )


@router.report(*ALARMING, retries=4)
def post(report: DeliveryReport) -> None:
    """Post to ``ALARM_URL``, if there is one; by itself, so that a retry logs nothing again."""
    if report.stale:
        return
    recipient = _masked(report.recipient)
    _post(
        {
            "text": f"SMS to {recipient} by {report.account}: {report.status}",
            "event": report.id,
            "account": report.account,
            "status": report.status,
            "provider_status": report.provider_status,
            "message_id": report.message_id,
            "recipient": recipient,
        }
    )


@router.alarm()
def log_alarm(alarm: Alarm) -> None:
    """Write one warning about an account, such as one that fell silent."""
    _log.warning(
        "event=%s account=%s alarm=%s since=%s text=%r",
        alarm.id,
        alarm.account,
        alarm.what,
        alarm.since and alarm.since.isoformat(timespec="seconds"),
        alarm.text,
    )


@router.alarm(retries=4)
def post_alarm(alarm: Alarm) -> None:
    """Post it to ``ALARM_URL``, if there is one."""
    _post(
        {
            "text": alarm.text,
            "event": alarm.id,
            "account": alarm.account,
            "alarm": alarm.what,
            "since": alarm.since and alarm.since.isoformat(timespec="seconds"),
        }
    )


def _post(content: Mapping[str, object]) -> None:
    url = current_app.config.get("ALARM_URL")
    if not url:
        return
    try:
        answer = httpx.post(url, json=content, timeout=_TIMEOUT, follow_redirects=False)
    except httpx.TransportError as error:
        reason = f"ALARM_URL did not answer ({type(error).__name__})"
        raise RetryLater(reason=reason) from error
    if not answer.is_success:
        raise RetryLater(reason=f"ALARM_URL answered {answer.status_code}")


def _masked(number: str) -> str:
    """Hide four digits or more, and all of what could begin a line of its own."""
    shown = min(5, len(number) - 3 - _LEAST_HIDDEN)
    if shown < 1 or not number.isprintable():
        return "***"
    return f"{number[:shown]}***{number[-3:]}"
