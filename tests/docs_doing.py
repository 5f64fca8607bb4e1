"""What is done with each block of a page: the doing of a reader, and of who checks what he copies.

How a block says what it is stands in `docs_pages`; where it is typed, in `docs_terminal`.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from conftest import need
from docs_pages import INBOX, REASONS, ROOT, Block, blocks
from docs_terminal import ACCOUNTS, Terminal, matches, python, reader
from processes import until

from receiver.plugins import provider_classes
from receiver.settings import load_settings

MOST_LINES = 30
TYPED = ("sh", "console")


def read(page: str, folder: Path, redis_url: str) -> None:
    story = blocks(page)
    with reader(story, folder, redis_url) as terminal:
        set_up(terminal, story)
        for block in story:
            DOERS[kind(block)](terminal, block)
        look_at_files(terminal, story)


def kind(block: Block) -> str:
    """Say what is to be done with a block; fails where nobody can know."""
    if block.word == "syntax":
        return "syntax"
    if block.word == "callback":
        return "callback"
    if block.file is not None:
        return "file"
    known = block.language in DOERS and block.language not in ("file", "syntax", "callback")
    assert known, (
        f"{block.where}: a block of {block.language or 'no language'} is none that is tested. A"
        " python block begins with # and the file's name; tests/docs_pages.py says what there is"
    )
    return block.language


def set_up(terminal: Terminal, story: list[Block]) -> None:
    """Lay out what a page takes for given: settings and a server, unless it starts them itself."""
    typed = "".join(block.code for block in story if block.language in TYPED)
    if re.search(r"(?m)^(sms-receiver|flask --app \w+ receiver) up\b", typed):
        return
    terminal.set_up()
    given = ["wsgi.py", *(["handlers/echo.py"] if not shows_handlers(story) else [])]
    for name in given:
        path = terminal.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((ROOT / name).read_text())
    if "127.0.0.1:8000" in typed and not any(block.word == "stays" for block in story):
        serve = "granian --interface wsgi wsgi:app"
        server = Block(page=story[0].page, line=0, language="sh", code=serve, note="stays")
        terminal.stay(server)
        url = terminal.filled("http://127.0.0.1:8000/webhooks/nobody")
        until(lambda: _answers(url), "the server of the page")


def shows_handlers(story: list[Block]) -> bool:
    return any(block.file and block.file.startswith("handlers/") for block in story)


def write(terminal: Terminal, block: Block) -> None:
    assert block.file is not None
    assert len(block.code.splitlines()) <= MOST_LINES, f"{block.where}: is too long"
    path = terminal.folder / block.file
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(block.code)
    if block.file.startswith("handlers/"):  # an installed one would win: that of this repository
        (path.parent / "__init__.py").touch()
    if path.suffix == ".py":
        compile(block.code, block.where, "exec")
    else:
        tomllib.loads(block.code)


def run(terminal: Terminal, block: Block) -> None:
    if block.word == "stays":
        terminal.stay(block)
        return
    if block.word == "answers":
        (terminal.password,) = shlex.split(block.note)[1:]
    done = terminal.type(block.code, terminal.password if block.word == "answers" else "")
    assert is_as_said(done, block), (
        f"{block.where}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    )


def is_as_said(done: subprocess.CompletedProcess[str], block: Block) -> bool:
    return block.word == "either" or (done.returncode == 0) is (block.word != "fails")


def talk(terminal: Terminal, block: Block) -> None:
    for part in re.split(r"(?m)^\$ ", block.code)[1:]:
        line, *expected = part.rstrip("\n").split("\n")
        done = terminal.type(line)
        assert is_as_said(done, block), f"{block.where}: {done.stdout}\n{done.stderr}"
        told = done.stdout + done.stderr
        wanted = [terminal.filled(line) for line in expected if line.strip()]
        assert matches(wanted, told), f"{block.where}: {line} prints\n{told}"


def look(terminal: Terminal, block: Block) -> None:
    terminal.see([terminal.filled(line) for line in block.code.splitlines()], block.where)


def look_into_the_inbox(terminal: Terminal, block: Block) -> None:
    """Log in as the page told, and see what is to be seen at a path of the inbox."""
    _, path, *wanted = shlex.split(block.note)
    base = terminal.filled("http://127.0.0.1:8000/webhooks/inbox")
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        browser.post(f"{base}/login", data={"password": terminal.password}).raise_for_status()
        page = browser.get(f"{base}{path}")
    assert page.status_code == 200, block.where
    assert "<h1>Log in" not in page.text, block.where
    for text in wanted:
        assert html.escape(text) in page.text, f"{block.where}: {text} is not in {page.text}"


def check_syntax(terminal: Terminal, block: Block) -> None:
    reason = block.note.partition(",")[2].strip()
    assert reason in REASONS, f"{block.where}: {reason!r} is no reason not to run it: {REASONS}"
    subprocess.run([need("bash"), "-n", "-c", block.code], check=True)


def parse_json(terminal: Terminal, block: Block) -> None:
    found = json.loads(block.code)
    values = found.values() if isinstance(found, dict) else ()
    if values and all(isinstance(v, dict) and {"api_key", "api_secret"} & v.keys() for v in values):
        schemas = {name: one.account_schema for name, one in provider_classes().items()}
        config = {"RECEIVER_ACCOUNTS": found, "SECRET_KEY": "x" * 20}
        load_settings(config, schemas, Path("/nowhere"))


POST = """
import json, sys
from receiver.standalone import create_app
account, key = sys.argv[1:]
answer = create_app().test_client().post(
    f"/webhooks/{account}", data=sys.stdin.read(), auth=(key, "")
)
print(answer.status_code, answer.headers.get("Receiver-Quarantined"))
"""


def post(terminal: Terminal, block: Block) -> None:
    """A callback that a page shows is acknowledged, and is what its provider's code can read."""
    json.loads(block.code)
    account = block.note.split()[1]
    words = ["python", "-c", POST, account, ACCOUNTS[account]["api_key"]]
    body = shlex.quote(block.code)
    done = terminal.type(f"printf %s {body} | {shlex.join(words)}")
    assert done.stdout.strip() == "200 None", f"{block.where}: {done.stdout}{done.stderr}"


def parse_toml(terminal: Terminal, block: Block) -> None:
    tomllib.loads(block.code)


def parse_yaml(terminal: Terminal, block: Block) -> None:
    list(yaml.safe_load_all(block.code))


def ask_nginx(terminal: Terminal, block: Block) -> None:
    """Take lines of a configuration, of a server or of a location."""
    folder = terminal.folder.parent
    code = re.sub(r"listen [^;]+;", f"listen unix:{folder}/s;", block.code)
    server = f"server {{ listen unix:{folder}/s; %s }}"
    for http in (code, server % code, server % f"location /webhooks/ {{ {code} }}"):
        conf = folder / "nginx.conf"
        conf.write_text(f"pid {folder}/pid; error_log stderr; events {{}} http {{ {http}\n }}")
        command = [need("nginx"), "-t", "-p", str(folder), "-c", str(conf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise AssertionError(f"{block.where}: {done.stderr}")


DOERS: Mapping[str, Callable[[Terminal, Block], None]] = {
    "file": write,
    "syntax": check_syntax,
    "callback": post,
    "sh": run,
    "console": talk,
    "text": look,
    INBOX: look_into_the_inbox,
    "json": parse_json,
    "toml": parse_toml,
    "yaml": parse_yaml,
    "nginx": ask_nginx,
}


def look_at_files(terminal: Terminal, story: list[Block]) -> None:
    """Import what the page shows; run its tests, unless a reader was told to."""
    names = dict.fromkeys(block.file for block in story if block.language == "python")
    tests = [name for name in names if name and Path(name).name.startswith("test_")]
    modules = [name for name in names if name and name not in tests]
    if modules:
        imports = "; ".join(f"import {name[:-3].replace('/', '.')}" for name in modules)
        done = terminal.type(f"{python()} -W error -c {shlex.quote(imports)}")
        assert done.returncode == 0, f"{story[0].page}: {done.stderr}"
    typed = "".join(block.code for block in story if block.language in TYPED)
    if tests and "pytest" not in typed:
        done = terminal.type(f"{python()} -m pytest -q -p no:cacheprovider {' '.join(tests)}")
        assert done.returncode == 0, f"{story[0].page}: {done.stdout}"


def _answers(url: str) -> Any:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.TransportError:
        return None
