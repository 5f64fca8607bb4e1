"""Bodies that nobody should send, by name: for each provider some three hundred."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

from support import MESSAGE, report

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"

Body = tuple[bytes, str]

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "smsbox": [
        {
            **MESSAGE,
            "channel": "sms",
            "message": {"text": "hello", "media": {"mediaUrl": "u"}, "custom": {"a": 1}},
            "billing": {"currency": "TZS", "subscriberPrice": "1", "billingPrice": "2"},
        }
    ],
    "lefoka": [
        report("delivered", "27637885448", message="x", delivery_date="", credit=1, _links={}),
        report("received", "27637885448", type="sms-reply", message="x", client_reference="r"),
    ],
}

# In place of each field's value, as JSON text.
VALUES = {
    "null": "null",
    "true": "true",
    "minus": "-1",
    "fraction": "1.5",
    "NaN": "NaN",
    "minus infinity": "-Infinity",
    "an exponent without end": "1e999999999999999999999",
    "4,000 digits": "9" * 4_000,
    "10,000 digits": "9" * 10_000,
    "no text": '""',
    "a lone surrogate": r'"\ud800"',
    "NUL": r'"\u0000"',
    "controls": r'"\r\nX-Injected: yes\u0007\u202e"',
    "a long text": f'"{"ä" * 50_000}"',
    "a list": "[]",
    "a list of lists": '[[1, "x"], [null], [{}]]',
    "an object": "{}",
    "an object of objects": '{"text": {"text": [1.5]}, "currency": {}, "0": "1"}',
    "an object in a text": r'"{\"text\": [1]}"',
    "half an object in a text": '"{"',
    "lists 900 deep": "[" * 900 + "]" * 900,
    "objects 300 deep": '{"a":' * 300 + "1" + "}" * 300,
}

PLAIN: dict[str, Body] = {
    "nothing": (b"", JSON),
    "white space": (b" \r\n\t ", JSON),
    "spaces of Unicode": ("\u2003\u3000".encode(), JSON),
    "NUL": (b"\0" * 1000, JSON),
    "every byte": (bytes(range(256)) * 40, JSON),
    "every byte as a form": (b"a=" + bytes(range(256)), FORM),
    "a lone byte order mark": (b"\xef\xbb\xbf", JSON),
    "HTML": (b"<html><script>alert(1)</script></html>", "text/html"),
    "XML with an entity": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text/xml"),
    "JSON null": (b"null", JSON),
    "a number": (b"1", JSON),
    "a text": (b'"x"', JSON),
    "a text of a text": (json.dumps(json.dumps("x")).encode(), JSON),
    "a list": (b"[]", JSON),
    "a list of objects": (b'[{"type": "sms"}]', JSON),
    "an object": (b"{}", JSON),
    "only brackets": (b"[]{}", JSON),
    "brackets without end": (b"[" * 200_000, JSON),
    "objects without end": (b'{"a":' * 40_000, JSON),
    "texts without end": (b'{"a":"' + b"\\" * 100_001, JSON),
    "single quotes": (b"{'type': 'sms',}", JSON),
    "a comment": (b'{"type": "sms"} // x', JSON),
    "two objects": (b'{"type": "sms"}{"type": "sms"}', JSON),
    "a body of 262,145 bytes": (b" " * 262_145, JSON),
    "a body of 10 MB": (b"{" * 10_000_000, JSON),
    "fields without names": (b"=1&=2&==&&;&a", FORM),
    "100,000 fields": (b"&".join([b"a=1"] * 60_000) + b"&" * 40_000, FORM),
    "10,000 fields of one name": (b"&".join([b"message=1"] * 10_000), FORM),
    "percent signs": (b"message=%&from=%zz&to=%F&transaction_id=%", FORM),
    "no UTF-8 behind percent signs": (b"message=%ff%fe%80", FORM),
    "NUL behind percent signs": (b"message=%00&transaction_id=%00&type=sms", FORM),
    "a bracket bomb": (b"a" + b"[b]" * 50_000 + b"=1", FORM),
    "open brackets": (b"a" + b"[" * 100_000 + b"=1", FORM),
    "closed brackets": (b"recipient" + b"]" * 100_000 + b"=1&type=sms", FORM),
    "many bracket bombs": (b"&".join(b"m%d" % n + b"[a]" * 31 + b"=1" for n in range(2_000)), FORM),
    "a field that is both": (b"message=a&message[text]=b&message[]=c&message[text][x]=d", FORM),
    "an index without end": (b"recipient[%s]=1&type=sms" % (b"9" * 9_000), FORM),
    "broken JSON in a form": (b"payload={", FORM),
    "a list in a form": (b"payload=[1,2]", FORM),
    "JSON called a form": (json.dumps(MESSAGE).encode()[:-9], FORM),
    "multipart without parts": (b"--b--\r\n", MULTIPART),
    "multipart without end": (
        b'--b\r\nContent-Disposition: form-data; name="message"\r\n',
        MULTIPART,
    ),
    "multipart without a boundary": (b"--b\r\n\r\nx\r\n--b--", "multipart/form-data"),
    "multipart of another boundary": (b"--c\r\n\r\nx\r\n--c--", MULTIPART),
    "multipart of many parts": (b"--b\r\n\r\n" * 20_000 + b"--b--", MULTIPART),
    "multipart in multipart": (
        b"".join(
            b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
            for n in range(300)
        ),
        "multipart/form-data; boundary=b0",
    ),
    "a file": (
        b'--b\r\nContent-Disposition: form-data; name="message"; filename="x"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--",
        MULTIPART,
    ),
    "a charset that is none": (b'{"type": "x"}', "application/json; charset=nonsense"),
    "a type that is none": (b'{"type": "x"}', "\xff;;=,multipart/"),
    "a type of 5,000 letters": (b'{"type": "x"}', "a" * 5_000),
}


def bodies(provider: str) -> dict[str, Body]:
    """Give all bodies for a provider, by name."""
    found = dict(PLAIN)
    for number, sample in enumerate(SAMPLES[provider]):
        for name, body in _mangled(sample):
            found[f"{number} {name}"] = body
    return found


def _mangled(sample: dict[str, Any]) -> Iterator[tuple[str, Body]]:
    text = json.dumps(sample)
    for end in range(1, len(text), 17):
        yield f"cut after {end} bytes", (text[:end].encode(), JSON)
    for path in _paths(sample):
        for name, value in VALUES.items():
            marked = json.dumps(_put(sample, path, "@@"))
            yield f"{'.'.join(path)}: {name}", (marked.replace('"@@"', value).encode(), JSON)
    for charset in ("utf-16", "utf-16-be", "utf-32", "utf-7", "cp037"):
        yield f"in {charset}", (text.encode(charset), f"{JSON}; charset={charset}")
    raw = text.encode()
    yield "zipped", (gzip.compress(raw, mtime=0), JSON)
    yield "deflated", (zlib.compress(raw), JSON)
    yield "reversed", (raw[::-1], JSON)
    yield "with every name twice", (raw[:-1] + b", " + raw[1:], JSON)
    yield "with every name in capitals", (text.upper().encode(), JSON)
    yield "in a list", (b"[" + raw + b"]", JSON)
    yield "in a text", (json.dumps(text).encode(), JSON)
    yield "in a text in a text", (json.dumps(json.dumps(text)).encode(), JSON)
    yield "with a name of 100,000 letters", (raw[:-1] + b', "%s": 1}' % (b"n" * 100_000), JSON)
    names = ", ".join(f'"{number}": {number}' for number in range(15_000))
    yield "with 15,000 more names", (raw[:-1] + f", {names}}}".encode(), JSON)
    if "recipient" in sample:
        for count, number in (("15,000", 27_600_000_000), ("35,000", 100_000)):
            numbers = ",".join(str(number + n) for n in range(int(count.replace(",", ""))))
            marked = json.dumps(_put(sample, ("recipient",), "@@"))
            body = marked.replace('"@@"', f"[{numbers}]").encode()
            yield f"to {count} recipients", (body, JSON)


def _paths(sample: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, value in sample.items():
        yield (name,)
        if isinstance(value, dict):
            for path in _paths(value):
                yield (name, *path)


def _put(sample: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**sample, head: _put(sample[head], tuple(rest), value) if rest else value}
