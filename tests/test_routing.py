"""Which handler gets a message, and what a wrong registration is told."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from receiver import ConfigurationError, InboundMessage, Receiver, Router, Status
from receiver.table import Table
from receiver.testing import inbound, report

MakeApp = Callable[..., Flask]
RunJobs = Callable[[Flask], int]


def takers(*routers: Router, **fields: Any) -> list[str]:
    """The names of the handlers that take a message, the one that answers first."""
    return [match.handler.name for match in Table(routers).match(inbound(**fields))]


def add(decorator: Callable[[Any], Any], name: str) -> None:
    """Register a function of that name."""

    def handler(message: InboundMessage) -> None:
        """Do nothing."""

    handler.__name__ = name
    decorator(handler)


@pytest.fixture
def router() -> Router:
    router = Router("r")
    add(router.fallback(), "rest")
    add(router.keyword("BAL", "SOLDE"), "balance")
    add(router.matching(r"BAL (?P<account>\d+)"), "balance_of")
    add(router.matching(r"(?P<name>\w+) (?P<amount>\d+)(?P<unit>kg)?"), "order")
    add(router.every(), "audit")
    add(router.every(), "count")
    return router


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        pytest.param("bal", "r.balance", id="a keyword"),
        pytest.param("« Solde ! »", "r.balance", id="another keyword of the same handler"),
        pytest.param("BAL 12", "r.balance", id="the first registered wins"),
        pytest.param("maize 12kg", "r.order", id="a pattern"),
        pytest.param(" \n maize 12 \n", "r.order", id="a pattern, with white space round it"),
        pytest.param("some maize 12", "r.rest", id="a pattern matches from the beginning only"),
        pytest.param("balance", "r.rest", id="a longer word is another word"),
        pytest.param("", "r.rest", id="an empty text"),
        pytest.param("👍", "r.rest", id="an emoji"),
    ],
)
def test_one_handler_answers_and_all_watchers_see_it(
    router: Router, text: str, winner: str
) -> None:
    assert takers(router, text=text) == [winner, "r.audit", "r.count"]


def test_order_is_by_router_then_by_registration() -> None:
    first, second = Router("first"), Router("second")
    add(second.keyword("A"), "a")
    add(first.matching("."), "anything")
    assert takers(first, second, text="a") == ["first.anything"]
    assert takers(second, first, text="a") == ["second.a"]


def test_of_several_fallbacks_the_first_answers() -> None:
    first, second = Router("first"), Router("second")
    add(first.fallback(), "rest")
    add(second.fallback(), "rest")
    assert takers(first, second) == ["first.rest"]


def test_without_a_handler_nobody_takes_it() -> None:
    router = Router("r")
    add(router.report(), "reports")
    assert takers(router) == []


def test_groups_are_in_the_message_of_the_pattern_alone(router: Router) -> None:
    order, *watchers = Table([router]).match(inbound(text="Maize 12"))
    assert isinstance(order.event, InboundMessage)
    assert order.event.groups == {"name": "Maize", "amount": "12", "unit": None}
    assert [watcher.event.groups for watcher in watchers] == [{}, {}]


def test_a_compiled_pattern_keeps_its_own_flags() -> None:
    router = Router("r")
    add(router.matching(re.compile("Bal")), "balance")
    assert takers(router, text="Bal") == ["r.balance"]
    assert takers(router, text="BAL") == []


@pytest.mark.parametrize("decorator", ["keyword", "matching", "fallback", "every"])
@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, True),
        ({"provider": "smsbox"}, True),
        ({"provider": "lefoka"}, False),
        ({"account": "shop"}, True),
        ({"account": "smsbox"}, False),
        ({"provider": "smsbox", "account": "shop"}, True),
        ({"provider": "smsbox", "account": "other"}, False),
        ({"provider": None, "account": None}, True),
    ],
    ids=str,
)
def test_provider_and_account_narrow_every_decorator(
    decorator: str, options: dict[str, Any], taken: bool
) -> None:
    router = Router("r")
    words = ["HELLO"] if decorator in ("keyword", "matching") else []
    add(getattr(router, decorator)(*words, **options), "handler")
    assert takers(router, provider="smsbox", account="shop") == ["r.handler"] * taken


def test_a_narrow_handler_leaves_other_accounts_to_the_next() -> None:
    router = Router("r")
    add(router.keyword("HELLO", account="north"), "north")
    add(router.keyword("HELLO"), "others")
    assert takers(router, account="north") == ["r.north"]
    assert takers(router, account="south") == ["r.others"]


@pytest.mark.parametrize("status", list(Status))
def test_reports_go_to_all_who_want_that_status(status: Status) -> None:
    router = Router("r")
    add(router.report(Status.FAILED, Status.EXPIRED), "failures")
    add(router.report(), "all")
    add(router.report(account="other"), "others")
    add(router.every(), "messages_only")
    found = [match.handler.name for match in Table([router]).match(report(status=status))]
    failed = status in (Status.FAILED, Status.EXPIRED)
    assert found == (["r.failures"] if failed else []) + ["r.all"]


def test_the_receiver_itself_takes_handlers() -> None:
    receiver = Receiver()
    for decorator in (receiver.keyword("A"), receiver.matching("B"), receiver.fallback()):
        add(decorator, f"handler_{len(receiver.router.handlers)}")
    add(receiver.every(retries=0, timeout=0.5), "watcher")
    add(receiver.report(Status.FAILED, provider="lefoka"), "failures")
    assert [handler.kind for handler in receiver.router.handlers] == [
        "keyword",
        "pattern",
        "fallback",
        "every",
        "report",
    ]


# --- what a wrong registration is told: what, where, and what to do


def good(message: InboundMessage) -> None: ...


def nothing() -> None: ...


def two(message: InboundMessage, other: int) -> None: ...


def named(*, message: InboundMessage) -> None: ...


async def waits(message: InboundMessage) -> None: ...


def yields(message: InboundMessage) -> Iterator[str]:
    yield ""


def arrêt(message: InboundMessage) -> None: ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        pytest.param(nothing, "handler r.nothing: must take one argument", id="no argument"),
        pytest.param(two, "handler r.two: must take one argument", id="two arguments"),
        pytest.param(named, "handler r.named: must take one argument", id="by name only"),
        pytest.param(waits, "handler r.waits: must be a plain function; no async", id="async"),
        pytest.param(yields, "handler r.yields: must be a plain function", id="a generator"),
        pytest.param(lambda m: None, "has no name of its own; define it with def", id="a lambda"),
        pytest.param(functools.partial(good), "define it with def", id="a partial"),
        pytest.param("good", "define it with def", id="no function"),
        pytest.param(arrêt, "handler r.arrêt: the function's name holds letters", id="not ASCII"),
    ],
)
@pytest.mark.parametrize("decorator", ["fallback", "every", "report"])
def test_a_function_of_the_wrong_shape_is_refused(
    decorator: str, function: Any, sentence: str
) -> None:
    router = Router("r")
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        getattr(router, decorator)()(function)
    assert router.handlers == []


@pytest.mark.parametrize(
    ("register", "sentence"),
    [
        pytest.param(lambda r: r.keyword(), "keyword(): name at least one word", id="no word"),
        pytest.param(lambda r: r.keyword("TWO WORDS"), "is one word; use matching", id="two words"),
        pytest.param(lambda r: r.keyword("A", "B-C"), "'B-C'): a keyword is one", id="a dash"),
        pytest.param(lambda r: r.keyword(""), "a keyword is one word", id="an empty word"),
        pytest.param(lambda r: r.keyword(["A", "B"]), "a keyword is one word", id="a list"),
        pytest.param(lambda r: r.keyword(good), "a keyword is one word", id="no brackets"),
        pytest.param(lambda r: r.matching("(a"), "matching('(a'): is no pattern", id="a bracket"),
        pytest.param(lambda r: r.matching(b"a"), "is no pattern for text", id="bytes"),
        pytest.param(lambda r: r.matching(re.compile(b"a")), "is no pattern", id="compiled bytes"),
        pytest.param(lambda r: r.matching(None), "is no pattern for text", id="no pattern"),
        pytest.param(lambda r: r.report("lost"), "'lost' is not a valid Status", id="a status"),
        pytest.param(
            lambda r: r.report(good), "there are PENDING, SCHED", id="report, no brackets"
        ),
        pytest.param(
            lambda r: r.fallback(acount="a"),
            "unknown option acount; there are account, provider, retries, timeout",
            id="a misspelt option",
        ),
    ],
)
def test_a_wrong_registration_is_refused(register: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(sentence)) as raised:
        register(Router("r"))
    assert str(raised.value).startswith("Router('r')")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"timeout": 0}, "timeout must be seconds, over 0"),
        ({"timeout": -1}, "timeout must be seconds, over 0"),
        ({"timeout": float("nan")}, "timeout must be seconds, over 0"),
        ({"timeout": float("inf")}, "timeout must be seconds, over 0 and at most 86400"),
        ({"timeout": "60"}, "timeout must be seconds"),
        ({"retries": -1}, "retries must be a whole number from 0 to 50"),
        ({"retries": 51}, "retries must be a whole number from 0 to 50"),
        ({"retries": 1.5}, "retries must be a whole number"),
        ({"retries": "3"}, "retries must be a whole number"),
        ({"account": ["a", "b"]}, "account must be one name"),
        ({"provider": 1}, "provider must be one name"),
    ],
    ids=str,
)
def test_a_wrong_limit_is_refused(options: dict[str, Any], sentence: str) -> None:
    router = Router("r")
    with pytest.raises(ConfigurationError, match=f"^handler r.good: {sentence}"):
        router.fallback(**options)(good)
    assert router.handlers == []


@pytest.mark.parametrize("name", ["", "a.b", "a b", "é", "x" * 65])
def test_a_router_has_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="letters, digits, - and _ only"):
        Router(name)


def test_two_handlers_of_one_name_are_refused() -> None:
    router = Router("r")
    router.fallback()(good)
    with pytest.raises(ConfigurationError, match=r"handler r\.good: there are two of this name"):
        router.every()(good)
    other = Router("r")
    other.fallback()(good)
    with pytest.raises(ConfigurationError, match=r"handler r\.good: there are two of this name"):
        Table([router, other])
    assert [handler.name for handler in Table([router, router])] == ["r.good"]
