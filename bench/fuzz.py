"""A hundred thousand generated requests to a real server: any 5xx, and does its memory grow?

Raw HTTP/1.1 over connections that are kept: what a client library would refuse to send is sent.
Which answer is the right one is `tests/test_fuzz.py`'s matter.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile import FORM, JSON, MULTIPART, SAMPLES, VALUES
from hostile import bodies as hostile_bodies
from processes import members
from redis import Redis
from servers import SERVERS, Web, own_valkey, serve_shop, shop_environment, url_of
from support import KEYS

_SENDERS = 4
_NONE = "no answer"
_SMALL = 4_096  # bytes: larger ones are a few in a thousand, or nothing else would be measured
_LARGEST = 300_000  # more is cut off in the middle, and its answer is often lost with it
_LARGE_SHARE = 0.003
_LARGE_SHARE_AT_FIRST = 0.15  # each thread of the server needs its most memory once
_RETENTION = "60"  # seconds, the least: what is kept in Redis is not what is measured

_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "post")
_SEGMENTS = (
    *("webhooks", "smsbox", "lefoka", "nobody", "", ".", "..", "%2e%2e", "%00", "%2f", "%", "*"),
    *("%ff%fe", "ß", "\xff", "a" * 3_000, "%0d%0aX-Injected:%20yes", "<script>", "'--", ";a=b"),
)
_SCHEMES = ("Basic", "basic", "Bearer", "Digest", "", "Basic  ", "Bearer rk_")
_TYPES = (JSON, FORM, MULTIPART, "", "text/xml", f"{JSON}; charset=no", "\xe4", "x" * 3_000)
_HEADERS = (
    *("Accept", "Cookie", "Content-Encoding", "Forwarded", "If-None-Match", "Origin", "Range"),
    *("User-Agent", "X-Forwarded-For", "X-HTTP-Method-Override", "api-key", "X-API-Key"),
)

Body = tuple[bytes, str]


class Generator:
    """Requests as bytes, the same ones again for the same seed; most have a live key."""

    def __init__(self, seed: str, large_share: float) -> None:
        self._random = random.Random(seed)
        self._large_share = large_share
        found = {name: list(hostile_bodies(name).values()) for name in KEYS}
        self._small = {name: [b for b in found[name] if len(b[0]) <= _SMALL] for name in KEYS}
        sizes = range(_SMALL + 1, _LARGEST)
        self._large = {name: [b for b in found[name] if len(b[0]) in sizes] for name in KEYS}

    def request(self) -> bytes:
        """Give one request, whole and ready to be sent."""
        one_in = self._one_in
        provider = self._random.choice(sorted(KEYS))
        body, kind = self._body(provider)
        path, headers = self._key(provider)
        if one_in(8):
            segments = self._random.choices(_SEGMENTS, k=self._random.randint(1, 5))
            path = "/" + "/".join(segments)
        method = self._random.choice(_METHODS) if one_in(8) else "POST"
        if one_in(9):
            kind = self._random.choice(_TYPES)
        headers += [("Content-Type", kind)]
        for _ in range(self._random.choice((0, 0, 0, 1, 2, 5))):
            headers.append((self._random.choice(_HEADERS), self._text(60)))
        if one_in(10):
            headers += [("Transfer-Encoding", "chunked")]
            body = self._chunked(body)
        else:
            headers += [("Content-Length", str(len(body)))]
        lines = [f"{method} {path} HTTP/1.1", "Host: shop.test"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def _body(self, provider: str) -> Body:
        chosen = self._random.random()
        if chosen < self._large_share:
            return self._random.choice(self._large[provider])
        if chosen < 0.25:
            return self._random.choice(self._small[provider])
        if chosen < 0.4:
            return self._random.randbytes(self._random.randint(0, 300)), JSON
        sample = self._sample(provider)
        if chosen < 0.55:
            return urlencode(sample, errors="surrogatepass").encode(), FORM
        text = bytearray(json.dumps(sample).encode())
        for _ in range(self._random.choice((0, 0, 1, 2, 9))):
            text[self._random.randrange(len(text))] = self._random.randrange(256)
        return bytes(text[: None if chosen < 0.9 else self._random.randrange(len(text))]), JSON

    def _sample(self, provider: str) -> dict[str, object]:
        """A good callback, new each time, with a field or two of any other value."""
        sample = dict(self._random.choice(SAMPLES[provider]))
        sample["transaction_id" if provider == "smsbox" else "id"] = self._text(12)
        for name in self._random.sample(sorted(sample), self._random.choice((0, 0, 1, 2))):
            try:
                sample[name] = json.loads(self._random.choice(list(VALUES.values())))
            except ValueError:
                sample[name] = self._random.random() * 1e300
        return sample

    def _key(self, provider: str) -> tuple[str, list[tuple[str, str]]]:
        """A live key in one of its places, or something else there."""
        path, key = f"/webhooks/{provider}", KEYS[provider]
        if self._one_in(6):
            key = self._text(60)
        place = self._random.choice(("basic", "bearer", "header", "query", "token", "odd"))
        if place == "basic":
            value = base64.b64encode(f"{key}:x".encode()).decode()
            return path, [("Authorization", f"Basic {value}")]
        if place == "odd":
            value = f"{self._random.choice(_SCHEMES)} {self._text(200)}"
            return path, [("Authorization", value), ("X-API-Key", key)]
        if place == "token" and self._one_in(3):
            return f"{path}/{quote(self._text(90), safe='')}", []
        if place == "query":
            more = self._random.choice(("%ff", "ß", "%", quote(self._text(40))))
            return f"{path}?{more}&api_key={quote(key)}", []
        name = "Authorization" if place == "bearer" else "x-api-key"
        return path, [(name, f"Bearer {key}" if place == "bearer" else key)]

    def _text(self, most: int) -> str:
        """Latin-1 that may stand in a header: no control characters."""
        letters = [*map(chr, range(32, 127)), *map(chr, range(160, 256))]
        return "".join(self._random.choices(letters, k=self._random.randint(0, most)))

    def _chunked(self, body: bytes) -> bytes:
        size = self._random.choice((1, 7, 64, 5_000)) if len(body) < 2_000 else 60_000
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    def _one_in(self, many: int) -> bool:
        return self._random.randrange(many) == 0


class Sender(threading.Thread):
    """One connection after the other, each kept as long as the server keeps it."""

    def __init__(self, web: Web, requests: int, generator: Generator) -> None:
        super().__init__()
        self._web = web
        self._generator = generator
        self._requests = requests
        self.answers: Counter[str] = Counter()
        self.faults: list[bytes] = []

    def run(self) -> None:
        """Send them all, and count how they were answered."""
        connection = self._web.connect()
        for _ in range(self._requests):
            request = self._generator.request()
            answer, keep = self._exchange(connection, request)
            if answer == _NONE:  # the server had closed it: clients try again, once
                connection.close()
                connection = self._web.connect()
                answer, keep = self._exchange(connection, request)
            self.answers[answer] += 1
            if answer.startswith("5"):
                self.faults.append(request[:300])
            if not keep:
                connection.close()
                connection = self._web.connect()
        connection.close()

    def _exchange(self, connection: socket.socket, request: bytes) -> tuple[str, bool]:
        with suppress(OSError):  # it may have answered, and read no further
            connection.sendall(request)
        try:
            response = http.client.HTTPResponse(connection, method=request.split(b" ")[0].decode())
            response.begin()
            response.read()
        except (OSError, http.client.HTTPException):
            return _NONE, False
        return str(response.status), not response.will_close


def memory_of(web: Web) -> float:
    """Give the resident memory of all the server's processes, in MB."""
    pages = 0
    for pid in members(web.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        pages += int(status.partition("VmRSS:")[2].split()[0])
    return pages / 1024


def send(web: Web, seed: str, requests: int, large_share: float = _LARGE_SHARE) -> Sender:
    """Send so many requests over several connections at once; gives what came of them all."""
    shares = [requests // _SENDERS + (n < requests % _SENDERS) for n in range(_SENDERS)]
    senders = [
        Sender(web, share, Generator(f"{seed}-{number}", large_share))
        for number, share in enumerate(shares)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
        if sender is not senders[0]:
            senders[0].answers += sender.answers
            senders[0].faults += sender.faults
    return senders[0]


@contextmanager
def shop() -> Iterator[tuple[Web, Redis]]:
    """The shop behind granian, and its Redis: no file, so that the disk is not measured."""
    with own_valkey(appendonly="no") as valkey:
        environment = shop_environment(url_of(valkey), RETENTION=_RETENTION)
        with (
            Redis.from_url(url_of(valkey)) as redis,
            serve_shop(SERVERS["granian"], **environment) as web,
        ):
            yield web, redis


def run(requests: int, warm_up: int, seed: str) -> bool:
    """Send them in ten parts and print the figures; tell whether there was no 5xx."""
    answers: Counter[str] = Counter()
    faults: list[bytes] = []
    with shop() as (web, redis):
        print(f"at the start: {memory_of(web):.1f} MB")
        send(web, f"{seed}-warm", warm_up, _LARGE_SHARE_AT_FIRST)
        before = memory_of(web)
        print(f"after {warm_up} requests to warm up: {before:.1f} MB")
        began = time.monotonic()
        for part in range(10):
            found = send(web, f"{seed}-{part}", requests // 10)
            answers += found.answers
            faults += found.faults
            print(f"after {requests * (part + 1) // 10} more: {memory_of(web):.1f} MB", flush=True)
            redis.flushall()
        print(f"{requests / (time.monotonic() - began):.0f} requests a second")
        print(f"memory of the server: {memory_of(web) - before:+.1f} MB")
    for answer, times in sorted(answers.items()):
        print(f"{answer:10} {times}")
    for fault in faults[:10]:
        print(f"5xx for {fault!r}")
    print(f"{answers.total()} requests, of them 5xx: {len(faults)}")
    return not faults and answers.total() == requests


def main() -> int:
    """Read the options; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--warm-up", type=int, default=40_000, help="requests before it counts")
    parser.add_argument("--seed", default="1", help="the same seed, the same requests")
    options = parser.parse_args()
    return 0 if run(options.requests, options.warm_up, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
