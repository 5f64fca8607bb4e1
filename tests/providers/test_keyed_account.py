"""What an account at the keyed panel may say, and how it writes numbers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from exchange import Answer, Api
from marshmallow import ValidationError

from receiver.errors import Unreadable
from receiver.providers.base import Sms
from receiver.providers.keyed import Keyed

NUMBER = "+254701234567"
V2: dict[str, Any] = {"api_keys": ("panel-key-0001",), "base_url": "https://panel.example"}
QUEUED = Answer('{"message_id": "m-1"}')


@pytest.mark.parametrize(
    ("number", "region", "written"),
    [
        (NUMBER, "KE", "0701234567"),
        ("+27637885448", "KE", "+27637885448"),
        ("+27637885448", "ZA", "0637885448"),
        (NUMBER, None, NUMBER),
        ("+9999999999", "KE", "+9999999999"),
    ],
)
def test_numbers_of_the_region_are_written_as_in_the_sample_where_the_account_says_so(
    number: str, region: str | None, written: str
) -> None:
    api = Api(Keyed, QUEUED, **V2, region=region, options={"numbers": "national"})
    api.provider.send(Sms(recipients=(number,), text="Your parcel is here", key="k"))
    assert httpx.Response(200, content=api.requests[0].content).json()["numbers"] == written


def settings(**account: Any) -> dict[str, Any]:
    given = {"provider": "keyed", "base_url": "https://panel.example", **account}
    return Keyed.account_schema().load(given)


def test_an_account_may_say_what_is_its_own() -> None:
    options = {"version": "1", "username": 12345, "numbers": "national", "method": "GET"}
    found = settings(api_secret="x", region="KE", **options)["options"]
    assert found == {**options, "version": 1, "username": "12345"}


@pytest.mark.parametrize(
    ("account", "name", "words"),
    [
        ({"base_url": None}, "base_url", "panel's address"),
        ({"base_url": "http://panel.example"}, "base_url", "https://"),
        ({"version": 3}, "version", "1 (user name and password) or 2"),
        ({"version": 1}, "username", "version 1 wants it"),
        ({"version": 1, "username": "u"}, "api_secret", "version 1 wants it"),
        ({"numbers": "national"}, "region", "of a region"),
        ({"method": "PUT"}, "method", "POST"),
        ({"vresion": 1}, "vresion", "Unknown"),
    ],
)
def test_a_wrong_account_is_told_by_name(account: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**account)
    assert words in str(caught.value.messages_dict[name])


def test_an_account_without_an_address_is_told_what_to_write() -> None:
    with pytest.raises(ValidationError) as caught:
        Keyed.account_schema().load({"provider": "keyed"})
    assert "names no host" in str(caught.value.messages_dict["base_url"])


def test_it_pushes_nothing() -> None:
    provider = Api(Keyed, **V2).provider
    assert (provider.pushes, provider.is_polled) == (False, False)
    with pytest.raises(Unreadable):
        provider.parse({}, None)
    assert provider.ack({}, None).body == b""
