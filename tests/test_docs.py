"""The documentation is true: every block is run, type-checked or parsed, as `docs_pages` says.

A page is one story: its files are written and its commands are typed in the order in which they
stand, in one folder, as a reader would.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from conftest import _DATABASES, need
from docs_pages import ELSEWHERE, INBOX, REASONS, ROOT, Block, blocks, blocks_in, pages
from docs_terminal import ACCOUNTS, Terminal, matches, python, reader
from processes import until

from receiver.plugins import provider_classes
from receiver.settings import load_settings

PAGES = [page for page in pages() if page not in ELSEWHERE and blocks(page)]
MOST_LINES = 30
READERS = 3
TYPED = ("sh", "console")


@pytest.fixture(scope="module")
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey_socket: str
) -> Iterator[Callable[[str], None]]:
    """Have all pages that are asked for read at once, by a few readers; a call waits for its page.

    Each has a folder, a database and ports of its own, and nothing of ours runs in this process.
    """
    asked = [item.callspec.params["page"] for item in request.session.items if is_story(item)]
    with ThreadPoolExecutor(READERS) as readers:
        ends = {
            page: readers.submit(read, page, tmp_path_factory.mktemp("page"), url_in(valkey_socket))
            for page in asked
        }
        yield lambda page: ends[page].result()


def is_story(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == test_what_a_page_tells_to_do_works.__name__


def url_in(valkey_socket: str) -> str:
    return f"unix://{valkey_socket}?db={next(_DATABASES)}"


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_tells_to_do_works(page: str, told: Callable[[str], None]) -> None:
    told(page)


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


def test_the_types_of_what_is_shown_are_right(tmp_path: Path) -> None:
    """As strict as our own: what a reader copies must not teach him carelessness."""
    for group in alike_in_no_name():
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        for name, code in group.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        done = subprocess.run(
            [python(), "-m", "mypy", "--strict", "--explicit-package-bases", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def alike_in_no_name() -> list[dict[str, str]]:
    """Put the files of all pages into as few folders as possible: mypy is slow to start."""
    groups: list[dict[str, str]] = []
    for page in PAGES:
        shown = {b.file: b.code for b in blocks(page) if b.file and b.language == "python"}
        files = {name: code for name, code in shown.items() if name}
        group = next((group for group in groups if not group.keys() & files.keys()), None)
        if group is None:
            group = {}
            groups.append(group)
        group.update(files)
    return groups


def test_pages_with_a_test_of_their_own_have_it() -> None:
    for page, test in ELSEWHERE.items():
        assert page in pages()
        about = Path(page).stem.replace("deploy", "README")
        assert re.search(rf"{about}\b|{about}_page", (ROOT / test).read_text()), page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("```rust\nx\n```", "a block of rust is none that is tested", id="a language"),
        pytest.param("```\nx\n```", "a block of no language", id="no language"),
        pytest.param("```python\nx = 1\n```", "begins with # and the file's name", id="no name"),
    ],
)
def test_a_block_that_nobody_could_test_fails(text: str, message: str) -> None:
    (block,) = blocks_in(text, "page.md")
    with pytest.raises(AssertionError, match=message):
        kind(block)


def test_fences_are_found_where_they_are_indented_and_with_what_is_said_of_them() -> None:
    text = (
        "1. do\n\n    <!-- docs: stays -->\n    ```sh\n    a\n      b\n    ```\n\n```sh\nc\n```\n"
    )
    first, second = blocks_in(text, "page.md")
    assert (first.code, first.note, first.line) == ("a\n  b\n", "stays", 4)
    assert (second.code, second.note) == ("c\n", "")


@pytest.mark.parametrize(
    ("expected", "output", "good"),
    [
        (["a … c"], "a b  c\n", True),
        (["a"], "a\nb\n", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["…", "c"], "a\nb\nc\n", True),
        (["a", "b"], "a\n", False),
        (["b"], "a\n", False),
    ],
)
def test_what_is_printed_is_compared(expected: list[str], output: str, good: bool) -> None:
    assert matches(expected, output) is good


def _answers(url: str) -> Any:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.TransportError:
        return None
