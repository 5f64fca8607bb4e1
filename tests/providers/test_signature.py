"""Our signature of a request against the provider's own PHP.

Source: https://developer.lefoka.co.za/docs/sms/reference, section "Signature generation PHP". Its
prose leaves blank values out; its PHP does not, so that no case here holds one.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import need

from receiver.providers.lefoka_request import sign

# The algorithm stands as in the document; around it, bodies come in and signatures go out.
PHP = """<?php
$signatures = [];
foreach (json_decode(file_get_contents('php://stdin'), true) as [$apiSecret, $sendData]) {
    $encoded = [];
    ksort($sendData);
    foreach ($sendData as $name => $value) {
        if (is_array($value)) {
            foreach ($value as $item) {
                $encoded[] = $name.'[]='.rawurlencode($item);
            }
        } else {
            $encoded[] = $name.'='.rawurlencode($value);
        }
    }
    $concatenated = implode('&', $encoded);
    $signatures[] = hash_hmac('sha256', $concatenated, $apiSecret, false);
}
echo json_encode($signatures);
"""

SECRET = "YOUR_API_SECRET"
ONE = ["27637885448"]
TEXTS = {
    "document": "test",
    "spaces": "  two  words ",
    "plus": "1 + 1",
    "ampersand": "fish & chips",
    "equals": "a=b&recipient[]=27800055555",
    "slash": "a/b\\c",
    "tilde": "~about~",
    "unreserved": "-._~",
    "reserved": ":/?#[]@!$&'()*+,;=",
    "percent": "100% %20 %zz",
    "quotes": "\"double\" 'single' `back`",
    "markup": "<script>test</script>",
    "lines": "one\r\ntwo\tthree",
    "nul": "a\x00b",
    "accents": "é ñ ç ö ß",
    "combining": "e\u0301",
    "click": "ǃXóõ",
    "right-to-left": "مرحبا \u200f שלום",
    "chinese": "你好",
    "emoji": "👍🏽 👨‍👩‍👧",
    "zero": "0",
    "blank": " ",
    "longest": "é" * 440,
}
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (SECRET, {"recipient": ONE, "message": text}) for name, text in TEXTS.items()},
    "reference": (
        SECRET,
        {"recipient": ONE, "message": "test", "client_reference": "your reference"},
    ),
    "several-recipients": (SECRET, {"message": "x", "recipient": ["27800055555", *ONE, *ONE]}),
    "500-recipients": (
        SECRET,
        {"message": "x", "recipient": [f"2763788{n:04d}" for n in range(500)]},
    ),
    "no-recipient": (SECRET, {"message": "x", "recipient": []}),
    "schedule": (
        SECRET,
        {"schedule": "2025-11-09T12:13:57+02:00", "recipient": ONE, "message": "test"},
    ),
    "everything": (
        SECRET,
        {
            "schedule": "2025-11-09T12:13:57+02:00",
            "recipient": [*ONE, "27800055555"],
            "message": "test",
            "client_reference": "your reference",
        },
    ),
    "an-edit-of-the-schedule-alone": (SECRET, {"schedule": "2025-11-09T12:13:57+02:00"}),
    "nothing": (SECRET, {}),
    "a-secret-in-unicode": ("sécret 👍", {"recipient": ONE, "message": "test"}),
    "a-secret-longer-than-a-block": ("s" * 65, {"recipient": ONE, "message": "test"}),
}


SCRIPTS = ("az", " /", ":@", "\x01\x1f", "éÿ", "ǀǃ", "ما", "你好", "\ue000\uffff", "👀👿")


def random_bodies(count: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Bodies of sends and edits, now and scheduled, in every script; the same ones in each run."""
    made = random.Random("lefoka")

    def text(longest: int) -> str:
        ends = [made.choice(SCRIPTS) for _ in range(made.randint(1, longest))]
        return "".join(chr(made.randint(*sorted(map(ord, pair)))) for pair in ends)

    def body() -> dict[str, Any]:
        hour, day = made.randint(10, 23), made.randint(10, 28)
        fields = {
            "recipient": [f"27{made.randrange(10**9):09}" for _ in range(made.randint(1, 5))],
            "message": text(440),
            "schedule": f"2026-03-{day}T{hour}:13:57+02:00",
            "client_reference": text(100),
        }
        names = made.sample(sorted(fields), made.randint(1, 4))
        return {name: fields[name] for name in names}

    return {f"random-{n}": (text(80), body()) for n in range(count)}


BODIES |= random_bodies(200)


@pytest.fixture(scope="module")
def signed_by_php(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The signature of each body, made by the document's PHP in one run."""
    script: Path = tmp_path_factory.mktemp("php") / "sign.php"
    script.write_text(PHP)
    cases = [[secret, body or {"": []}] for secret, body in BODIES.values()]
    done = subprocess.run(
        [need("php"), "-n", "-d", "display_errors=stderr", str(script)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return dict(zip(BODIES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", BODIES)
def test_the_signature_is_the_one_of_the_documents_php(
    name: str, signed_by_php: dict[str, str]
) -> None:
    secret, body = BODIES[name]
    assert sign(body, secret) == signed_by_php[name]


def test_every_body_and_every_secret_has_a_signature_of_its_own() -> None:
    signatures = {sign(body, secret) for secret, body in BODIES.values()}
    assert len(signatures) == len(BODIES)


@pytest.mark.parametrize("blank", [None, ""], ids=["null", "empty"])
def test_a_blank_value_is_left_out_as_the_prose_says(blank: str | None) -> None:
    body = {"recipient": ONE, "message": "test"}
    assert sign({**body, "client_reference": blank}, SECRET) == sign(body, SECRET)
