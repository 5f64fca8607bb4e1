"""The shape of the code: who may import whom, how long things are, how far a webhook goes."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType

import pytest

import receiver
from receiver.store import queue

ROOT = Path(__file__).parents[1]

# A room imports from rooms in lines below its own, and from itself.
LINES = (
    {"wsgi", "handlers"},
    {"receiver", "__main__"},
    {"testing"},
    {"extension", "standalone", "deployment"},
    {"sending"},
    {
        "web",
        "jobs",
        "clerk",
        "worker",
        "supervisor",
        "cli",
        "doctor",
        "vitals",
        "dev",
        "conversations",
    },
    {"chores"},
    {"polling", "reconcile", "silence", "privacy"},
    {"intake", "handling", "sweeper"},
    {"dispatch"},
    {"outage", "outbox", "answerers", "plugins", "draining"},
    {"attempts", "delivery", "arrivals", "networks"},
    {"table"},
    {"providers", "routing", "store", "parcel"},
    {"security"},
    {"settings", "msisdn", "limits", "signing", "vault"},
    {"consent", "redis_url"},
    {
        "errors",
        "events",
        "words",
        "numbering",
        "accounts",
        "segmentation",
        "measures",
        "logs",
        "traces",
    },
    {"sms"},
)
LINE_OF = {room: number for number, line in enumerate(LINES) for room in line}
BESIDE = {("worker", "clerk"), ("clerk", "jobs"), ("cli", "worker"), ("cli", "doctor")}
BESIDE |= {("cli", "supervisor"), ("supervisor", "worker"), ("supervisor", "clerk")}
BESIDE |= {
    ("dev", "cli"),
    ("cli", "vitals"),
    ("doctor", "vitals"),
    ("standalone", "extension"),
    ("extension", "deployment"),
}
LAZILY = {("cli", "dev")}  # in function bodies only
PLAIN = ("providers", "routing", "events")
NOT_PLAIN = {"flask", "rq", "redis"}

Sources = Mapping[str, str]


def sources() -> dict[str, str]:
    """Give the code of every module by its name; packages end in ``.__init__``."""
    files = [ROOT / "wsgi.py", *ROOT.glob("handlers/*.py"), *ROOT.glob("receiver/**/*.py")]
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {name: file.read_text("utf-8") for file, name in names.items()}


def room(module: str) -> str:
    """Give the room of a module: its part right below ``receiver``."""
    parts = module.removesuffix(".__init__").split(".")
    return parts[1] if parts[0] == "receiver" and len(parts) > 1 else parts[0]


@cache
def parsed(text: str) -> ast.Module:
    """Read code once, however often it is looked at."""
    return ast.parse(text)


@cache
def imports(module: str, text: str, modules: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Give what a module imports, as a full name, and whether only when a function runs."""
    known = {name.removesuffix(".__init__") for name in modules}
    tree = parsed(text)
    found: list[tuple[str, bool]] = []
    lazy = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node in lazy) for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            above = ".".join(module.split(".")[: -node.level]) if node.level else ""
            source = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                found.append((full if full in known else source, node in lazy))
    return found


def faults_of_arrows(code: Sources) -> Iterator[str]:
    """Name each import that goes up, or sideways, or to a framework where there is none."""
    for module, text in code.items():
        mine = room(module)
        for name, lazy in imports(module, text, tuple(code)):
            top, theirs = name.split(".")[0], room(name)
            arrow = (mine, theirs)
            if top in NOT_PLAIN and mine in PLAIN:
                yield f"{module} imports {top}"
            if top == "handlers" and mine != "handlers":
                yield f"{module} imports {name}: handlers belong to the deployment"
            if top != "receiver" or mine == theirs or arrow in BESIDE or (lazy and arrow in LAZILY):
                continue
            if LINE_OF[mine] >= LINE_OF[theirs]:
                yield f"{module} imports {name}: {theirs} is not below {mine}"


def faults_of_outsiders(code: Sources) -> Iterator[str]:
    """Name what the deployment's own code takes from elsewhere than the public names."""
    for module, text in code.items():
        if room(module) not in LINES[0]:
            continue
        for node in ast.walk(parsed(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and (node.level or node.module != "receiver"):
                names = ["handlers" if node.level else node.module or ""]
            if any(name.split(".")[0] in ("receiver", "handlers") for name in names):
                yield f"{module} imports ours by another way than from receiver import …"


def faults_of_cycles(code: Sources) -> Iterator[str]:
    """Name a module that is needed for its own import."""
    graph = {
        module.removesuffix(".__init__"): {
            name for name, lazy in imports(module, text, tuple(code)) if not lazy
        }
        for module, text in code.items()
    }
    for start in graph:
        seen: set[str] = set()
        ahead = [*graph[start]]
        while ahead:
            found = ahead.pop()
            if found not in seen and found in graph:
                seen.add(found)
                ahead += graph[found]
        if start in seen:
            yield f"{start} imports itself in the end"


@cache
def long_functions(text: str) -> list[str]:
    """Name the functions of more than 40 lines."""
    return [
        node.name
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 40
    ]


def faults_of_size(code: Sources) -> Iterator[str]:
    """Name files of more than 300 lines, and functions of more than 40."""
    for module, text in code.items():
        if len(text.splitlines()) > 300:
            yield f"{module} has {len(text.splitlines())} lines"
        yield from (f"{module}.{name} has more than 40" for name in long_functions(text))


CHECKS: list[Callable[[Sources], Iterator[str]]]
CHECKS = [faults_of_arrows, faults_of_outsiders, faults_of_cycles, faults_of_size]


@pytest.mark.parametrize("check", CHECKS)
def test_the_code_has_the_shape_that_the_design_gives_it(
    check: Callable[[Sources], Iterator[str]],
) -> None:
    assert list(check(sources())) == []


LONG = "def f():\n" + "    x = 1\n" * 40
BROKEN = {
    "a provider imports flask": ("receiver.providers.lefoka", "import flask"),
    "a provider imports flask later": ("receiver.providers.lefoka", "def f():\n    import flask"),
    "an event knows redis": ("receiver.events", "from redis.exceptions import RedisError"),
    "routing knows rq": ("receiver.routing", "import rq.job"),
    "the web side knows jobs": ("receiver.web.webhook", "from .. import jobs"),
    "jobs know the command line": ("receiver.jobs", "from .cli.running import url"),
    "the vocabulary knows settings": ("receiver.errors", "from .settings import Account"),
    "security knows providers": ("receiver.security", "from .providers.base import Provider"),
    "the store knows intake": ("receiver.store.queue", "from ..intake import Intake"),
    "a way up inside a function": (
        "receiver.intake",
        "def f():\n    from receiver.extension import x",
    ),
    "the package knows a handler": ("receiver.jobs", "import handlers.echo"),
    "a handler knows the inside": ("handlers.echo", "from receiver.routing import Router"),
    "a handler knows a handler": ("handlers.echo", "from .optout import router"),
    "the standalone app knows the inside": ("wsgi", "import receiver.standalone"),
    "a circle in one room": ("receiver.store.connection", "from .journal import Journal"),
    "a file that is too long": ("receiver.words", "\n" * 301),
    "a function that is too long": ("receiver.words", LONG),
}


@pytest.mark.parametrize(("module", "line"), BROKEN.values(), ids=BROKEN)
def test_the_checks_find_what_they_look_for(module: str, line: str) -> None:
    code = sources()
    code[module] += f"\n{line}\n"
    assert [fault for check in CHECKS for fault in check(code)]


def test_the_public_names_are_these_and_the_package_holds_nothing_else() -> None:
    assert receiver.__all__ == [
        *("Alarm", "Balance", "Billing", "ConfigurationError", "DeliveryError", "DeliveryReport"),
        *("GiveUp", "InboundMessage", "PermanentDeliveryError", "Receiver", "ReceiverError"),
        *(
            "RetryLater",
            "Router",
            "Sent",
            "Status",
            "TemporaryDeliveryError",
            "UncertainDeliveryError",
        ),
        *("balance", "conversation", "segments", "send", "status"),
    ]
    names = {
        name
        for name, value in vars(receiver).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert names == set(receiver.__all__)
    kinds = [type(node) for node in ast.parse(sources()["receiver.__init__"]).body]
    assert set(kinds) == {ast.Expr, ast.ImportFrom, ast.Assign}


def test_each_job_that_the_web_side_names_is_a_function() -> None:
    named = [
        value
        for value in vars(queue).values()
        if isinstance(value, str) and value.startswith("receiver.") and "jobs" in value
    ]
    assert len(named) == 4
    assert all(callable(resolve_name(name)) for name in named)


def tracked() -> list[Path]:
    """Give the files of the repository; of the tree, where there is no repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        return [file for folder in ("receiver", "tests") for file in (ROOT / folder).rglob("*.py")]
    return [file for name in listed.stdout.split("\0") if name and (file := ROOT / name).is_file()]


def test_the_top_of_the_tree_is_the_one_that_the_design_names() -> None:
    there = {file.relative_to(ROOT).parts[0] for file in tracked() if file.parent != ROOT}
    assert {"receiver", "handlers", "tests"} <= there
    assert there <= {"receiver", "handlers", "tests", "bench", "deploy", "docs", ".ci", ".github"}
    assert (ROOT / "wsgi.py").is_file()


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    pattern = re.compile(r"(?<![\w.~-])/(?:work|home|root|Users)/\w")
    found = []
    for file in tracked():
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{file.name}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []
