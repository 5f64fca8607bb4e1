"""What docs/scaling.md says is true: its settings, commands, links and figures are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import need

from bench import page_scaling, scaling
from bench.plan import Plan
from receiver.cli import receiver_commands
from receiver.settings import RESERVED_ACCOUNTS, _SettingsSchema

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "scaling.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
(NGINX,) = re.findall(r"```nginx\n(.*?)```", TEXT, re.S)
MOST_LINES = 15


def lines_with(words: str) -> list[list[str]]:
    """Give the commands that begin so, each as a list of words."""
    found = re.findall(rf"(?m)(?:^|`)({re.escape(words)}[^`\n]*)", TEXT)
    return [shlex.split(line, comments=True) for line in found]


def options_in(words: list[str]) -> set[str]:
    """Give the options in a command, or in a help text."""
    return {found for word in words for found in re.findall(r"(?<!\S)--[a-z-]+", word)}


@pytest.mark.parametrize("code", SHELL, ids=lambda code: code.splitlines()[0][:30])
def test_a_how_to_is_short_and_a_shell_reads_it(code: str) -> None:
    assert len(code.splitlines()) <= MOST_LINES
    subprocess.run([need("sh"), "-n", "-c", code], check=True)


def test_the_settings_and_commands_that_it_names_exist() -> None:
    settings = set(re.findall(r"RECEIVER_([A-Z_]+)", TEXT))
    assert settings <= set(_SettingsSchema._declared_fields)
    assert {"ACCOUNTS", "REDIS_URL", "SPOOL_DIR", "SECRET_KEYS", "RETENTION"} <= settings
    commands = set(re.findall(r"(?m)(?:^|[`(]|bin/)sms-receiver (?!--)([a-z]+)", TEXT))
    assert {"check", "worker", "optouts", "keys"} <= commands
    assert commands <= set(receiver_commands.list_commands(None))  # type: ignore[arg-type]


@pytest.mark.parametrize("words", ["sms-receiver optouts", "sms-receiver keys"])
def test_the_commands_have_the_options_that_it_gives_them(words: str) -> None:
    for _, command, *rest in lines_with(words):
        done = subprocess.run(
            [sys.executable, "-m", "receiver", command, rest[0], "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert options_in(rest) <= options_in([done.stdout])


def test_the_benchs_commands_are_read_by_the_bench() -> None:
    found = lines_with("python -m bench.scaling")
    assert len(found) > 2
    for command in found:
        scaling.options(command[3:])


def test_the_queues_are_shown_with_options_that_rq_has() -> None:
    ((_, _, *given),) = lines_with(".venv/bin/rq info")
    command = [sys.executable, "-m", "rq.cli", "info", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"--url"} < options_in(given) <= options_in([done.stdout])


def test_the_p99_out_of_nginxs_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    lines = [f"status=200 seconds={n / 1000:.3f} upstream_seconds=9.999" for n in range(200, 0, -1)]
    log.write_text("\n".join(lines) + "\n")
    (code,) = [code for code in SHELL if "access.log" in code]
    code = code.replace("/var/log/nginx/sms-receiver.access.log", shlex.quote(str(log)))
    done = subprocess.run([need("sh"), "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.198\n"
    conf = re.sub(r"'\n\s*'", "", (ROOT / "deploy" / "nginx.conf").read_text())
    assert " seconds=$request_time upstream_seconds=" in conf


def test_nginx_takes_the_lines_of_a_shard(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    head, tail = NGINX.split("# and in location /webhooks/\n")
    upstream = "upstream sms_receiver { server 127.0.0.1:8000; }"
    server = f"server {{ listen unix:{tmp_path}/s; location /webhooks/ {{ {tail} }} }}"
    http = f"access_log off; {upstream} {head} {server}"
    conf.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {http} }}")
    done = subprocess.run(
        [need("nginx"), "-t", "-p", str(tmp_path), "-c", str(conf)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "proxy_pass http://sms_receiver;" in (ROOT / "deploy" / "nginx.conf").read_text()


def test_the_files_that_it_links_to_are_there_and_so_are_their_sections() -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", TEXT):
        assert (ROOT / "docs" / link).is_file(), link
    assert "\n## Several web hosts\n" in (ROOT / "deploy" / "README.md").read_text()
    assert (ROOT / "docs" / "how-to" / "deploy.md").read_text() == '--8<-- "deploy/README.md"\n'
    worker = (ROOT / "deploy" / "sms-receiver-worker.service").read_text()
    assert "sms-receiver worker --processes 1\n" in worker


def test_what_it_says_of_the_runs_is_how_they_are_made() -> None:
    assert f"at {Plan().rate} acks a second" in TEXT
    assert f"{page_scaling.MONTH_SECONDS:,} seconds" in TEXT
    assert f"{page_scaling.MONTH_DAYS:g} days" in TEXT
    retention = _SettingsSchema._declared_fields["RETENTION"].load_default
    assert retention == page_scaling.RETENTION_DAYS * 86_400
    assert "lefoka-2" not in RESERVED_ACCOUNTS
