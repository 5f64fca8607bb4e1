"""deploy/nginx.conf itself: nginx takes it, and it agrees with the code about keys and sizes."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import need
from gateway import CONF, nginx, serve_gateway, without_comments, write_configuration
from servers import SERVERS, serve_shop, shop_environment
from support import MESSAGE, PATH

from receiver.accounts import KEY_PLACES
from receiver.settings import _SettingsSchema

TEXT = CONF.read_text()
OPTIONAL = re.compile(r"(?m)^(\s*)# (\S.*;)$")  # a directive that an operator may want
CERTIFICATE = "/etc/letsencrypt/live/sms.example.org/"


def check(folder: Path, main: Path) -> None:
    """Let nginx read a configuration."""
    command = [nginx(), "-t", "-q", "-c", main, "-p", folder, "-e", folder / "e.log"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nginx_takes_the_file(tmp_path: Path) -> None:
    check(tmp_path, write_configuration(tmp_path, 8080, ("/nowhere/1.sock", "/nowhere/2.sock")))


def test_nginx_takes_the_file_with_all_that_is_commented_out(tmp_path: Path) -> None:
    main = write_configuration(tmp_path, 8080, ("/nowhere/1.sock", "/nowhere/2.sock"))
    site = tmp_path / "sms-receiver.conf"
    text, found = OPTIONAL.subn(r"\1\2", site.read_text())
    assert found == len(OPTIONAL.findall(TEXT)) == 11
    make_certificate(tmp_path)
    text = text.replace(CERTIFICATE, f"{tmp_path}/").replace("listen 443", "listen 127.0.0.1:8443")
    site.write_text(text)
    check(tmp_path, main)


def make_certificate(folder: Path) -> None:
    """Make what an operator gets from an authority."""
    command = [need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    command += ["-subj", "/CN=sms.example.org", "-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_every_place_of_a_key_but_the_body_is_known_to_the_limit() -> None:
    (source,) = re.findall(r'map "(\S+)" \$sms_receiver_stranger', without_comments(TEXT))
    names = {"basic": "authorization", "bearer": "authorization"}
    places = set(KEY_PLACES) - {"body", "query"}
    wanted = {f"$http_{names.get(place, place).replace('-', '_')}" for place in places}
    assert set(re.findall(r"\$\w+", source)) == wanted | {"$sms_receiver_token", "$arg_api_key"}


def test_the_limit_of_bodies_is_that_of_the_app() -> None:
    limit = _SettingsSchema._declared_fields["MAX_BODY"].load_default
    for name in ("client_max_body_size", "client_body_buffer_size"):
        assert f"    {name} {limit};" in TEXT


def test_the_paths_are_those_of_the_app() -> None:
    prefix = _SettingsSchema._declared_fields["URL_PREFIX"].load_default
    assert f"    location {prefix}/ {{" in TEXT
    assert set(re.findall(r"\^[^/]*(/\w+)/", TEXT)) == {prefix}


@pytest.mark.parametrize("server", ["granian", "gunicorn", "nginx"])
def test_no_answer_names_a_version(server: str, redis_url: str) -> None:
    command = SERVERS.get(server, SERVERS["granian"])
    with ExitStack() as running:
        door = running.enter_context(serve_shop(command, **shop_environment(redis_url)))
        if server == "nginx":
            door = running.enter_context(serve_gateway(door))
        answers = [door.post(path, MESSAGE) for path in (PATH, "/nowhere", "/webhooks/nobody")]
        answers.append(door.post(PATH, b"{" * 300_000))
    assert {answer.headers["server"] for answer in answers} == {server}
    said = " ".join(str(answer.headers) + answer.body.decode() for answer in answers)
    assert not re.search(r"(?i)python|werkzeug|flask|(nginx|granian|gunicorn)/[0-9]", said)
