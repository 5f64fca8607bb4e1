"""KoboMobile's side: /api/send/, /api/credit/ and /api/report/, after its text.

Source: https://kobomobile.net/developer. What the text leaves open is chosen here: an answer is a
JSON string, with HTTP status 200 also for an error; a text of type 0 or 1 loses what GSM 03.38 does
not have, as on a phone.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from .api_call import Call, Outcome, Refusal

NAME = "kobomobile"

_PATHS = {"/api/send/": "send", "/api/credit/": "credit", "/api/report/": "report"}
_MAX_NUMBERS = 500
_MAX_TEXT = 905
_MAX_UUID = 64
_UUID_SECONDS = 30 * 86_400  # "automatically expire after 30days"
_PART = {"0": 160, "1": 160, "2": 70}
_SENDER = re.compile(r"[0-9]{1,16}|(?=.*[^0-9])[ -~]{1,11}", re.ASCII)
_INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ÄÖÑÜ§¿äöñüà\f^{}\\[~]|€"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


def takes(path: str) -> bool:
    """Tell whether a path is one of this API."""
    return path in _PATHS


def answer(call: Call) -> Outcome:
    """Answer one request; raises `Refusal`.

    An entry of ``sent`` has ``user``, ``type``, ``message_uuid`` and ``message_ids`` by number;
    ``statuses`` may be set: the word to report for a message id, else that of ``status``.
    """
    if call.request.method != "POST":
        raise Refusal(405, json.dumps("error_param"))
    given = call.request.values
    user = _user(call, given)
    match _PATHS[call.request.path]:
        case "credit":
            return Outcome(body=json.dumps(str(call.balance)))
        case "report":
            return Outcome(body=json.dumps(_status(call, user, given.get("msgid", ""))))
        case _:
            return _send(call, user, given)


def _user(call: Call, given: Mapping[str, str]) -> str:
    user, password = given.get("user", ""), given.get("pass", "")
    if not user or not password:
        raise _refusal("error_param")
    if call.credentials.get(user) != password:
        raise _refusal("error_user")
    return user


def _send(call: Call, user: str, given: Mapping[str, str]) -> Outcome:
    kind, key, wants_ids = _options(given)
    numbers = given.get("to", "").split(",")
    if len(numbers) > _MAX_NUMBERS:
        raise _refusal("error_limit")
    text, sender = given.get("msg", ""), given.get("from", "")
    good = all(_INTERNATIONAL.fullmatch(number) for number in numbers)
    if not good or not _SENDER.fullmatch(sender) or not 0 < len(text) <= _MAX_TEXT:
        raise _refusal("error_param")
    earlier = _same(call, user, key)
    if earlier is not None:
        return Outcome(body=_sent(earlier["message_ids"], wants_ids))
    credit = len(numbers) * -(-len(text) // _PART[kind])
    if credit > call.balance:
        raise _refusal("error_credit")
    ids = {f"+{number}": str(uuid.uuid4()) for number in numbers}
    sms = {
        "to": [*ids],
        "text": text if kind == "2" else "".join(c if c in _GSM else "?" for c in text),
        "source": sender,
        "client_reference": None,
        "message_id": next(iter(ids.values())),
        "message_ids": ids,
        "message_uuid": key,
        "type": kind,
        "user": user,
        "at": time.time(),
    }
    return Outcome(body=_sent(ids, wants_ids), sms=sms, credit=credit)


def _options(given: Mapping[str, str]) -> tuple[str, str | None, bool]:
    """Read what may be left out: the format, the key of the request, and whether ids are wanted."""
    kind, key, wants = given.get("type", "0"), given.get("message_uuid"), given.get("enable_msg_id")
    if kind not in _PART or wants not in (None, "0", "1"):
        raise _refusal("error_param")
    if key is not None and not 0 < len(key) <= _MAX_UUID:
        raise _refusal("error_param")
    return kind, key, wants == "1"


def _same(call: Call, user: str, key: str | None) -> dict[str, Any] | None:
    """Find what the same request of the last 30 days gave."""
    since = time.time() - _UUID_SECONDS
    mine = (sms for sms in call.sent if sms["user"] == user and sms["at"] > since)
    return next((sms for sms in mine if key is not None and sms["message_uuid"] == key), None)


def _sent(ids: Mapping[str, str], wants_ids: bool) -> str:
    pairs = "~".join(f"{number[1:]},{message_id}" for number, message_id in ids.items())
    return json.dumps(pairs if wants_ids else "sent")


def _status(call: Call, user: str, message_id: str) -> str:
    for sms in call.sent:
        if sms["user"] == user and message_id in sms["message_ids"].values():
            return str(sms.get("statuses", {}).get(message_id) or sms.get("status") or "PENDING")
    raise _refusal("error_param")


def _refusal(word: str) -> Refusal:
    return Refusal(200, json.dumps(word))
