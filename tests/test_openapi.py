"""openapi.json: whole, true to what providers send, and silent about who is configured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from conftest import ACCOUNTS, LEFOKA_KEY, SMSBOX_KEY
from flask import Flask
from fronting import answer_of, begun

from receiver import DeliveryReport, InboundMessage, Receiver
from receiver.accounts import KEY_PLACES
from receiver.plugins import provider_classes
from receiver.providers.base import Ack, Provider, Stamp
from receiver.providers.payload import Payload
from receiver.web.openapi import describe

MakeApp = Callable[..., Flask]
CASES = sorted((Path(__file__).parent / "providers" / "cases").glob("*/*.json"))
KEYS = {"lefoka": LEFOKA_KEY, "smsbox": SMSBOX_KEY}

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

# What is read although no document says so: a schema of it all would say nothing any more.
BEYOND = ("as-json-string", "as-text", "as-number", "in-braces", "array", "of-another-type")
BEYOND += ("credit-true", "billing-blank", "prices-no-numbers", "message-empty")


def document_of(app: Flask, prefix: str = "/webhooks") -> Any:
    answer = app.test_client().get(f"{prefix}/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_json()


def schema_of(document: Any, name: str) -> jsonschema_rs.Validator:
    """Make what judges a value by one of the document's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.validator_for(schema)


def plain_cases() -> Iterable[Any]:
    """Give the callbacks in JSON that a provider documents, of those that are read."""
    for file in CASES:
        case = json.loads(file.read_text())
        body = case["request"].get("json")
        if "quarantine" in case or not isinstance(body, dict) or "$repeat" in json.dumps(body):
            continue
        if not any(mark in file.stem for mark in BEYOND):
            yield pytest.param(
                file.parent.name, body, case["ack"], id=f"{file.parent.name}-{file.stem}"
            )


@pytest.mark.parametrize(("provider", "body", "ack"), list(plain_cases()))
def test_what_a_provider_sends_and_hears_is_what_the_document_says(
    make_app: MakeApp, provider: str, body: Any, ack: Any
) -> None:
    document = describe(provider_classes().values(), "/webhooks")
    schema_of(document, f"{provider}-callback").validate(body)
    if "json" in ack:
        schema_of(document, f"{provider}-ack").validate(ack["json"])


def test_there_are_cases_of_both_providers() -> None:
    assert len(list(plain_cases())) > 100


WRONG = {
    "a number in a list": ("lefoka-callback", {"id": ["f8cf"]}),
    "a date that is a number": ("lefoka-callback", {"creation_date": 12}),
    "a number that is none": ("smsbox-callback", {"from": True}),
    "billing that is a list": ("smsbox-callback", {"billing": [1]}),
    "an ack without its word": ("smsbox-ack", {"transaction_id": 1}),
    "an ack of another word": ("smsbox-ack", {"transaction_id": 1, "successful": "yes"}),
    "a refusal without help": ("problem", {"error": "No."}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_provider_sends_is_not_what_the_document_says(case: str) -> None:
    name, body = WRONG[case]
    document = describe(provider_classes().values(), "/webhooks")
    with pytest.raises(jsonschema_rs.ValidationError):
        schema_of(document, name).validate(body)


def example(document: Any, schema: Any) -> Any:
    """Make a value of the examples that the document gives, all of them."""
    while "$ref" in schema or "anyOf" in schema:
        if "anyOf" in schema:
            schema = schema["anyOf"][0]
        else:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "properties" not in schema:
        return schema["example"]
    return {name: example(document, inner) for name, inner in schema["properties"].items()}


EXAMPLES = {
    "a message of SMSBox": ("smsbox", {}, InboundMessage, {"client_reference"}),
    "a reply of Lefoka": (
        "lefoka",
        {"type": "sms-reply", "delivery_date": "2023-06-25T09:00:00+02:00"},
        InboundMessage,
        {"recipient", "billing", "media_url", "custom"},
    ),
    "a report of Lefoka": ("lefoka", {}, DeliveryReport, {"stale"}),
}
# Lefoka says when an SMS was scheduled for, and of a reply what the sent one cost.
IDLE = {
    "a report of Lefoka": ["schedule"],
    "a reply of Lefoka": ["credit", "schedule", "creation_date"],
}
OURS = {
    "duplicate_of",
    "replay",
    "groups",
    "channel",
}  # no field of a callback, or one with a default


@pytest.mark.parametrize("case", EXAMPLES)
def test_every_field_of_the_document_is_read(
    make_app: MakeApp, run_jobs: Callable[[Flask], int], case: str
) -> None:
    provider, more, kind, missing = EXAMPLES[case]
    got: list[Any] = []

    def listen(receiver: Receiver) -> None:
        receiver.every()(got.append)

        @receiver.report()
        def note(report: DeliveryReport) -> None:
            got.append(report)

    app = make_app(handlers=listen)
    document = document_of(app)
    reference = {"$ref": f"#/components/schemas/{provider}-callback"}
    body = {**example(document, reference), **more}
    schema_of(document, f"{provider}-callback").validate(body)
    answer = app.test_client().post(
        f"/webhooks/{provider}", json=body, headers={"x-api-key": KEYS[provider]}
    )
    assert "Receiver-Quarantined" not in answer.headers
    run_jobs(app)
    (event,) = got
    assert isinstance(event, kind)
    empty = {name for name in event.__dataclass_fields__ if not getattr(event, name)}
    assert empty - OURS == missing


def without(value: Any) -> Iterator[tuple[str, Any]]:
    """Leave out one field after the other, the inner ones too."""
    for name, inner in value.items():
        yield name, {other: kept for other, kept in value.items() if other != name}
        if isinstance(inner, dict) and name != "custom":
            yield from (
                (f"{name}.{within}", {**value, name: less}) for within, less in without(inner)
            )


@pytest.mark.parametrize("case", EXAMPLES)
def test_no_field_of_the_document_is_idle(make_app: MakeApp, case: str) -> None:
    provider, more, *_ = EXAMPLES[case]
    app = make_app()
    read = app.extensions["receiver"].providers[provider].reread
    document = document_of(app)
    body = {**example(document, {"$ref": f"#/components/schemas/{provider}-callback"}), **more}

    def events(body: Any) -> Any:
        return read(json.dumps(body).encode(), "key", NOON, "kept").events

    idle = [name for name, less in without(body) if events(less) == events(body)]
    assert idle == IDLE.get(case, [])


def test_the_document_tells_nobody_who_is_configured(make_app: MakeApp) -> None:
    private = {"northern-shop": {"provider": "lefoka", "api_key": LEFOKA_KEY, "api_secret": "s"}}
    both, one = document_of(make_app()), document_of(make_app(ACCOUNTS=private))
    assert both == one
    assert "northern-shop" not in json.dumps(one)
    pages = ("{account}", "{account}/{token}", "live", "ready", "metrics", "openapi.json")
    assert list(one["paths"]) == [f"/webhooks/{page}" for page in pages]


def test_it_names_every_page_that_is_there(make_app: MakeApp) -> None:
    app = make_app()
    paths = {re.sub(r"<(\w+)>", r"{\1}", str(rule)) for rule in app.url_map.iter_rules()}
    assert {path for path in paths if path.startswith("/webhooks/")} == {*document_of(app)["paths"]}


def test_it_names_every_place_of_a_key(make_app: MakeApp) -> None:
    document = document_of(make_app())
    callback = document["paths"]["/webhooks/{account}"]["post"]
    named = [name for place in callback["security"] for name in place]
    assert set(named) == set(document["components"]["securitySchemes"]) == {*KEY_PLACES} - {"body"}
    assert "`api_key`" in callback["description"]
    signed = document["paths"]["/webhooks/{account}/{token}"]["post"]
    assert signed["security"] == []
    assert set(callback["responses"]) == {"200", "400", "401", "404", "405", "413", "503"}


class Acme(Provider):
    """A provider of somebody's own that describes nothing."""

    name = "acme"

    def parse(self, payload: Payload, stamp: Stamp) -> list[InboundMessage]:
        return []

    def ack(self, payload: Payload, problem: str | None) -> Ack:
        return Ack(body=b"OK")


def test_a_provider_without_a_schema_may_send_any_object() -> None:
    document = describe([Acme], "/webhooks")
    callback = document["paths"]["/webhooks/{account}"]["post"]
    for content in callback["requestBody"]["content"].values():
        assert content["schema"] == {"anyOf": [{"type": "object"}]}
    assert "acme: text" in callback["responses"]["200"]["description"]


def test_it_is_where_the_webhooks_are(make_app: MakeApp) -> None:
    app = make_app(URL_PREFIX="/hooks/sms")
    assert next(iter(document_of(app, "/hooks/sms")["paths"])) == "/hooks/sms/{account}"
    assert "servers" not in document_of(app, "/hooks/sms")
    below = app.test_client().get("/hooks/sms/openapi.json", base_url="http://localhost/shop")
    assert below.get_json()["servers"] == [{"url": "/shop"}]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_is_only_read(make_app: MakeApp, method: str) -> None:
    status, headers, body = answer_of(begun(make_app()), "/webhooks/openapi.json", method=method)
    assert (status, headers["Allow"]) == ("405 METHOD NOT ALLOWED", "GET, HEAD")
    assert set(json.loads(body)) == {"error", "help"}


def test_a_look_at_its_head_gives_no_body(make_app: MakeApp) -> None:
    answer = make_app().test_client().head("/webhooks/openapi.json")
    assert (answer.status_code, answer.data) == (200, b"")


def test_two_apps_of_one_process_have_one_each(make_app: MakeApp) -> None:
    first, second = make_app(), make_app(URL_PREFIX="/other", ACCOUNTS=ACCOUNTS)
    assert set(document_of(first)["paths"]) & set(document_of(second, "/other")["paths"]) == set()
