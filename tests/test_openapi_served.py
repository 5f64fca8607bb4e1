"""schemathesis against a really served app: what it answers is what openapi.json says, always."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import LEFOKA_KEY, SMSBOX_KEY
from processes import running, until
from servers import SHOP, shop_environment

from receiver.dev.ports import port_of, take_port
from receiver.signing import SignedUrls

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
ACCEPTED = "positive_data_acceptance"  # of callers with a key
ALL = ("--phases", "examples,coverage,fuzzing", "--max-examples", "20")
WEBHOOKS = ("--phases", "fuzzing", "--max-examples", "20", "--include-path-regex", "account")
CALLERS = {
    "SMSBox": ("smsbox", SMSBOX_KEY, True, ALL),
    "Lefoka": ("lefoka", LEFOKA_KEY, True, WEBHOOKS),
    "a stranger": ("smsbox", "wrong", False, WEBHOOKS),
    "somebody lost": ("nobody", SMSBOX_KEY, False, WEBHOOKS),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, valkey_socket: str) -> Iterator[str]:
    """The address of a shop behind granian."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(SHOP)
    held, _ = take_port(0, 0)
    port = str(port_of(held))
    command = ("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port, "shop:app")
    environment = shop_environment(f"unix://{valkey_socket}?db=9999")
    with held, running(*command, folder=folder, **environment):
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(f"{url}/webhooks/openapi.json"), "the server")
        yield url


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("caller", CALLERS)
def test_every_answer_is_one_that_the_document_names(
    served: str, tmp_path: Path, caller: str
) -> None:
    account, key, is_known, options = CALLERS[caller]
    checks = [*CHECKS, ACCEPTED] if is_known else CHECKS
    said = run(served, tmp_path, account, key, "--checks", ",".join(checks), *options)
    generated = re.search(r"(\d+) generated, (\d+) passed", said)
    assert generated
    assert int(generated[1]) == int(generated[2]) > 20


def run(url: str, folder: Path, account: str, key: str, *options: str) -> str:
    """Let schemathesis loose, the same way each time; gives what it says."""
    token = SignedUrls(["a-secret-key-of-some-length"]).make(account)
    parameters = {"path.account": account, "path.token": token}
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    (folder / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines, ""]))
    command = ["schemathesis.cli", "run", f"{url}/webhooks/openapi.json", "--no-color"]
    command += ["-H", f"x-api-key: {key}", "--generation-with-security-parameters", "false"]
    command += ["--generation-deterministic", "--suppress-health-check", "too_slow"]
    command += ["--request-timeout", "60"]
    ended = subprocess.run(
        [sys.executable, "-m", *command, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
