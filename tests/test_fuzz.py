"""The door under generated requests: each gets the answer that the table in the docs names, exactly.

Bodies alone are fuzzed in `test_hostile`; here are the rest of a request, and broken samples. The
parsers behind the door are fuzzed in `test_fuzz_parsers`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import quote

import hypothesis.strategies as st
import pytest
from conftest import ACCOUNTS
from flask import Flask
from hostile import FORM, JSON, MULTIPART, SAMPLES
from hypothesis import example, given, settings
from servers import own_valkey, url_of
from support import KEYS
from test_hostile import JSON_VALUES
from werkzeug.test import create_environ, run_wsgi_app

from receiver import Receiver

MAX_BODY = 2_048
THOROUGH = settings(max_examples=600, deadline=None, database=None, derandomize=True)
QUICK = settings(THOROUGH, max_examples=300)
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ODD_METHODS = ("PROPFIND", "", "P T", "POSTS", "\xff")  # Flask itself refuses them

HTML = "text/html; charset=utf-8"

# Text as WSGI hands it on: one character for each byte.
LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=40)


@dataclass(frozen=True)
class Knock:
    """One request as a WSGI server hands it on; ``good`` tells whether a live key is in it.

    ``length``: what Content-Length says, or ``None`` for a chunked body.
    """

    path: bytes
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    good: bool = False

    @property
    def read(self) -> bytes:
        """The body as far as a server reads it."""
        return self.body if self.length is None else self.body[: self.length]


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    """An app on a Redis of this module's own."""
    with own_valkey(appendonly="no") as valkey:
        app = Flask("shop", static_folder=None)
        app.secret_key = "a-secret-key-of-some-length"
        app.config["RECEIVER_ACCOUNTS"] = ACCOUNTS
        app.config["RECEIVER_REDIS_URL"] = url_of(valkey)
        app.config["RECEIVER_MAX_BODY"] = MAX_BODY
        Receiver(app)
        yield app


def ask(app: Flask, knock: Knock) -> Answer:
    """Hand a request to the app as a server would, whatever is in it."""
    environ = create_environ(method="POST", input_stream=BytesIO(knock.body))
    environ["REQUEST_METHOD"] = knock.method
    environ["PATH_INFO"] = knock.path.decode("latin-1")
    environ["QUERY_STRING"] = knock.query
    if knock.length is None:
        environ["wsgi.input_terminated"] = True
        environ.pop("CONTENT_LENGTH", None)
    else:
        environ["CONTENT_LENGTH"] = str(knock.length)
    for name, value in knock.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    body, status, headers = run_wsgi_app(app.wsgi_app, environ, buffered=True)
    lower = {name.lower(): value for name, value in headers}
    return Answer(int(status.split()[0]), lower, b"".join(body))


# What is sent

# Each takes a body, a place in it, and a byte, and changes something there.
CHANGES: list[Callable[[bytes, int, int], bytes]] = [
    lambda body, place, byte: body[:place] + bytes([byte]) + body[place + 1 :],
    lambda body, place, byte: body[:place] + body[place : place + byte] + body[place:],
    lambda body, place, byte: body[:place] + body[place + byte :],
]

SAMPLE_BODIES = {name: [json.dumps(sample).encode() for sample in SAMPLES[name]] for name in KEYS}
NUMBERS = st.sampled_from(["9" * 400, "-0", "1e400", "1E-999999999", "0.1" * 3, "1e9999999999999"])
ODD_VALUES = st.one_of(
    JSON_VALUES.map(json.dumps),
    NUMBERS,
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Nd"]), max_size=8).map(json.dumps),
    st.integers(1, 60).map(lambda depth: "[" * depth + "]" * depth),
)


@st.composite
def broken_samples(draw: st.DrawFn, provider: str) -> bytes:
    """A good body with up to four bytes or pieces changed, or half of it."""
    body = draw(st.sampled_from(SAMPLE_BODIES[provider]))
    for _ in range(draw(st.integers(0, 4))):
        change = draw(st.sampled_from(CHANGES))
        body = change(body, draw(st.integers(0, len(body))), draw(st.integers(0, 255)))
    return body[: draw(st.sampled_from([None, None, len(body) // 2]))]


@st.composite
def odd_samples(draw: st.DrawFn, provider: str) -> bytes:
    """A good body with one more name, that it may have already."""
    body = draw(st.sampled_from(SAMPLE_BODIES[provider]))
    name = draw(st.sampled_from(["transaction_id", "id", "to", "recipient", "status"]) | st.text())
    return body[:-1] + f", {json.dumps(name)}: {draw(ODD_VALUES)}}}".encode()


@st.composite
def multiparts(draw: st.DrawFn, provider: str) -> bytes:
    """Form data in parts, of any names and contents."""
    names = sorted({name for sample in SAMPLES[provider] for name in sample})
    name = st.sampled_from(names).map(str.encode) | st.binary(max_size=9)
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    parts = draw(st.lists(st.tuples(name, st.binary(max_size=30)), max_size=4))
    lines: list[bytes] = []
    for found, content in parts:
        lines += [b"--b", b'Content-Disposition: form-data; name="%b"' % found, b"", content]
    return end.join([*lines, b"--b--", b""])


def bodies(provider: str) -> st.SearchStrategy[bytes]:
    """Bodies as they should not be, most of them near to what they should be."""
    sized = st.integers(-1, 2).map(lambda more: b"{}".ljust(MAX_BODY + more))
    return st.one_of(
        broken_samples(provider), odd_samples(provider), multiparts(provider), st.binary(), sized
    )


SEGMENTS = st.one_of(
    st.sampled_from([b"webhooks", b"Webhooks", b"smsbox", b"lefoka", b"nobody", b"static"]),
    st.sampled_from([b"", b".", b"..", b"%2e%2e", b"%00", b"\0", b"\r\nX-Injected: yes", b"*"]),
    st.sampled_from([b"a" * 9_000, b"\xff\xfe", "ß😀".encode(), b"<script>", b"$(id)", b"'--"]),
    st.binary(max_size=12).map(lambda text: text.replace(b"/", b"")),
)
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda parts: b"/" + b"/".join(parts))


def basic(user: str) -> str:
    """The value of a Basic header."""
    return f"Basic {base64.b64encode(user.encode('latin-1')).decode()}"


CREDENTIALS = st.one_of(
    st.sampled_from(["", "Basic", "Basic ", "Basic !", "Basic \xe4\xf6", "basic\tabc", "Bearer"]),
    st.sampled_from([f"Basic {'A' * 20_000}", f"Bearer {'b' * 20_000}", "Digest username=x", ","]),
    st.sampled_from(["Bearer rk_", "Bearer rk_.", "Bearer rk_a.b", f"Bearer rk_{'x.' * 300}"]),
    LATIN_1.map(lambda text: f"Bearer {text}"),
    LATIN_1.map(basic),
    LATIN_1,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Accept", "Content-Type", "Content-Encoding", "Cookie", "Expect", "Forwarded"),
            *("If-None-Match", "Origin", "Range", "Upgrade", "User-Agent", "X-Forwarded-For"),
            *("X-Forwarded-Host", "X-HTTP-Method-Override", "X-A" + "a" * 500),
        ]
    ),
    st.one_of(
        LATIN_1, st.sampled_from([JSON, FORM, MULTIPART, f"{JSON}; charset=no", "x" * 8_000])
    ),
    max_size=4,
)
PLACES = ("basic", "bearer", "api-key", "x-api-key", "beem-secure-token", "query")


def with_key(place: str, key: str) -> dict[str, Any]:
    """The key in one of its places: what it adds to a `Knock`."""
    if place == "query":
        return {"query": f"a=%00&api_key={quote(key)}&%ff"}
    headers = {"basic": ("Authorization", basic(key)), "bearer": ("Authorization", f"Bearer {key}")}
    name, value = headers.get(place, (place, key))
    return {"headers": {name: value}}


@st.composite
def knocks(draw: st.DrawFn, *, stranger: bool = False) -> Knock:
    """Any request; with a live key in one of its places, unless from a stranger."""
    provider = draw(st.sampled_from(sorted(KEYS)))
    body = draw(bodies(provider))
    length = draw(st.sampled_from([len(body), len(body), None, len(body) + 9, len(body) // 2]))
    place = None if stranger else draw(st.sampled_from([*PLACES, None]))
    key = {} if place is None else with_key(place, KEYS[provider])
    credentials = draw(st.sampled_from(["Authorization", "Api-Key", "X-API-Key"]))
    headers = {**draw(HEADERS), credentials: draw(CREDENTIALS), **key.get("headers", {})}
    usual = draw(st.integers(0, 9)) < 7
    return Knock(
        path=f"/webhooks/{provider}".encode() if usual else draw(PATHS),
        method=draw(st.sampled_from(["POST"] * 12 + [*METHODS, *ODD_METHODS])),
        query=key.get("query", draw(LATIN_1)),
        headers=headers,
        body=body,
        length=length,
        good=place is not None,
    )


# What is answered


def expected(knock: Knock) -> set[int]:
    """The status that the table in the docs names for a request; either of two that both fit."""
    path = knock.path.decode("utf-8", "replace")
    match = re.fullmatch("/webhooks/([^/]+)(?:/([^/]+))?/?", path, re.S)
    if match is None or match[1] not in KEYS:
        return {404}
    if knock.method != "POST":
        return {405}
    problems = set()
    if max(len(knock.read), knock.length or 0) > MAX_BODY:
        problems.add(413)
    if knock.length is not None and knock.length > len(knock.body):
        problems.add(400)
    return problems or {200 if knock.good and match[2] is None else 401}


def assert_said(knock: Knock, answer: Answer) -> None:
    """Each refusal says in JSON what is wrong; an ack is the provider's and nothing else."""
    if answer.status == 200:
        assert_acked(knock, answer)
        return
    said = json.loads(answer.body)
    assert answer.headers["content-type"] == "application/json"
    assert set(said) == {"error", "help"}
    assert ("allow" in answer.headers) == (answer.status == 405)
    assert ("www-authenticate" in answer.headers) == (answer.status == 401)


def assert_acked(knock: Knock, answer: Answer) -> None:
    problem = answer.headers.get("receiver-quarantined")
    assert problem is None or not problem.startswith("our parser failed")
    if knock.path.startswith(b"/webhooks/lefoka"):
        assert (
            answer.body == b"" if problem is None else json.loads(answer.body)["error"] == problem
        )
        return
    said = json.loads(answer.body)
    assert said == {"transaction_id": said["transaction_id"], "successful": True}
    if problem is None and knock.read.lstrip()[:1] == b"{":
        sent = json.loads(knock.read).get("transaction_id")
        assert not isinstance(sent, str) or said["transaction_id"] == sent


def assert_promised(app: Flask, knock: Knock) -> None:
    answer = ask(app, knock)
    assert answer.status in expected(knock), answer
    spoken = knock.method not in ("HEAD", *ODD_METHODS)  # HEAD has no body
    if spoken and answer.headers["content-type"] != HTML:  # of a path that is none of ours
        assert_said(knock, answer)


@THOROUGH
@given(knock=knocks())
@example(knock=Knock(b"/webhooks/smsbox", query="\xff", length=0))
def test_each_request_gets_the_answer_that_the_table_names(app: Flask, knock: Knock) -> None:
    assert_promised(app, knock)


@QUICK
@given(knock=knocks(stranger=True))
def test_a_stranger_gets_no_ack_by_any_header_path_or_method(app: Flask, knock: Knock) -> None:
    assert ask(app, knock).status in (400, 401, 404, 405, 413)
