"""The short way past Flask gives the same answers as Flask's own."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from fronting import GOOD, answer_of, begun
from support import PATH
from werkzeug.middleware.proxy_fix import ProxyFix

from receiver import Receiver
from receiver.store.connection import Connection
from receiver.web.front import Front

REQUESTS: dict[str, dict[str, Any]] = {
    "a message": {},
    "a key in the query": {"headers": {}, "query_string": f"api_key={SMSBOX_KEY}"},
    "a query that is no UTF-8": {"query_string": "name=%E9%FF&x=%C3%A9"},
    "a delivery report": {
        "path": "/webhooks/lefoka",
        "data": '{"id": "1", "status": "delivered", "recipient": "27637885448"}',
        "headers": {"Authorization": f"Bearer {LEFOKA_KEY}", "x-api-key": LEFOKA_KEY},
    },
    "what nobody can read": {"data": b"\xff\xfe nothing"},
    "what Lefoka says of it": {
        "path": "/webhooks/lefoka",
        "data": "nothing",
        "headers": {"x-api-key": LEFOKA_KEY},
    },
    "no key": {"headers": {}},
    "a wrong key": {"headers": {"x-api-key": "wrong"}},
    "a token that is none of ours": {"path": f"{PATH}/abc.def"},
    "a token of other letters": {"path": f"{PATH}/%C3%A9"},
    "a slash at the end": {"path": f"{PATH}/"},
    "two slashes": {"path": "/webhooks//smsbox"},
    "two parts behind the account": {"path": f"{PATH}/a/b"},
    "an account that is not there": {"path": "/webhooks/nobody"},
    "a page that is not there": {"path": "/elsewhere"},
    "a question": {"method": "GET", "data": None},
    "a question without an answer's body": {"method": "HEAD", "data": None},
    "no body": {"data": b""},
    "a large body": {"data": b"x" * 300_000},
    "a form": {"data": {"from": "15000", "message": "hello", "transaction_id": "t-9"}},
    "a length that is no number": {"environ_overrides": {"CONTENT_LENGTH": "many"}},
    "a body that breaks off": {"environ_overrides": {"CONTENT_LENGTH": "4000"}},
    "a body in chunks": {"headers": {**GOOD, "Transfer-Encoding": "chunked"}},
    "a body in chunks, to granian": {
        "headers": {**GOOD, "Transfer-Encoding": "chunked"},
        "data": b"from=15000",
        "environ_overrides": {"SERVER_SOFTWARE": "Granian", "wsgi.input_terminated": True},
    },
}


@pytest.mark.parametrize("case", REQUESTS)
def test_both_ways_give_the_same_answer(make_app: Callable[..., Flask], case: str) -> None:
    short, flasks = make_app(), make_app()
    flasks.teardown_request(lambda error: None)
    given = [answer_of(begun(app), **REQUESTS[case]) for app in (short, flasks)]
    assert given[0] == given[1]


@pytest.mark.parametrize("first", [True, False], ids=["before the receiver", "after it"])
def test_the_address_is_the_one_that_a_proxy_fix_gives(redis_url: str, first: bool) -> None:
    account = {"smsbox": {"api_key": SMSBOX_KEY, "networks": ["10.0.0.0/8"]}}
    app = Flask("shop")
    app.secret_key = "a-secret-key-of-some-length"
    app.config.update(RECEIVER_ACCOUNTS=account, RECEIVER_REDIS_URL=redis_url)

    def fix() -> None:
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]

    steps = [fix, lambda: Receiver(app)]
    for step in steps if first else reversed(steps):
        step()
    begun(app)
    for address, status in (("10.1.2.3", "200 OK"), ("203.0.113.9", "401 UNAUTHORIZED")):
        assert answer_of(app, headers={**GOOD, "X-Forwarded-For": address})[0] == status


def test_a_body_that_a_middleware_has_read_is_not_taken_for_none(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app()
    inner = app.wsgi_app

    def reads(environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = BytesIO(body)
        return inner(environ, start_response)

    app.wsgi_app = reads  # type: ignore[method-assign]
    assert answer_of(begun(app))[0] == "200 OK"


def test_a_fault_of_ours_is_answered_with_a_request_to_come_again(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Connection, "run_durably", fail)
    app = make_app()
    assert isinstance(app.wsgi_app, Front)
    status, headers, _ = answer_of(begun(app))
    assert (status, headers["Retry-After"]) == ("503 SERVICE UNAVAILABLE", "5")
