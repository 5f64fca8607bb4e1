"""Calls on an SMSBox account, for tables over all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from exchange import Answer, Api
from smsbox_samples import ACCEPTED, ID

from receiver.errors import DeliveryError
from receiver.providers.base import Sms
from receiver.providers.smsbox import SMSBox

KEY, SECRET = "smsbox-key-0001", "smsbox-secret-0001"
ACCOUNT: dict[str, Any] = {"api_keys": (KEY,), "api_secret": SECRET, "source_addr": "INFO"}
IN_XML = {**ACCOUNT, "options": {"format": "xml"}}
ALEX, THOMAS = "+22687161524", "+22671625142"

Do = Callable[[SMSBox], object]


def sms(text: str = "Hello", **fields: Any) -> Sms:
    return Sms(**{"recipients": (ALEX,), "text": text, "key": "k", **fields})


def sending(**fields: Any) -> Do:
    return lambda box: box.send(sms(**fields))


def changing(message_id: str = ID, **fields: Any) -> Do:
    return lambda box: box.change(message_id, **fields)


def naming(name: str = "SHOP", sample: str = "Your parcel is here") -> Do:
    return lambda box: box.request_sender_name(name, sample)


EVERY_CALL: dict[str, Do] = {
    "send": sending(),
    "balance": lambda box: box.balance(),
    "change": changing(suspended=True),
    "sender names": lambda box: box.sender_names(),
    "sender name": naming(),
}
ASKING = ("balance", "sender names")  # the others change something


def refusal(do: Do, *answers: Answer | Exception, **account: Any) -> tuple[DeliveryError, Api]:
    api = Api(SMSBox, *(answers or (ACCEPTED,)), **{**ACCOUNT, **account})
    with pytest.raises(DeliveryError) as caught:
        do(api.provider)
    return caught.value, api
