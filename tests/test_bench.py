"""The bench's arithmetic, options and report: fast, and nothing about time. It is run by hand."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from test_architecture import long_functions

from bench import load, rows
from bench.__main__ import MEASURES, options, planned
from bench.latency import share_of, times_in
from bench.machine import peers
from bench.plan import QUICK, WHOLE, Plan
from bench.programs import BenchError, need
from bench.servers import redis_server
from bench.table import Line, report, shown, text

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "bench").glob("*.py"))
PEERS = sorted((ROOT / "bench" / "peers").glob("*.py"))

# The figures that the bench is asked for, as their table has them.
ASKED = [
    "acks/s, 64 connections, 2 server processes",
    "acks/s, 8 connections",
    "p99 of acks",
    "events handled/s by one worker process, one no-op handler",
    "from ack to the handler's start, 50 events/s",
    "a report to 500 recipients",
    "ack and handling with",
    "Redis memory for one waiting event of 160 characters",
    "acks/s with Redis down (spool, fsync)",
    "start of the web process to its first ack; memory of",
]

MEASURED = "measured requests=4000 us=2000000 faults=0 status=0 wrong=0 p50=1500 p99=9000 max=12000"


def line(ours: list[float], theirs: list[float], **more: object) -> Line:
    """Give a line of acks."""
    return Line(what="granian", unit="/s", ours=ours, peer="peer", theirs=theirs, **more)


def test_a_ratio_is_that_of_the_medians() -> None:
    found = line([10, 900, 30], [1, 15, 800])
    assert (found.value, found.ratio) == (30, 2.0)


def test_without_a_peer_or_with_one_that_did_nothing_there_is_no_ratio() -> None:
    assert line([1], []).ratio is None
    assert line([1], [0]).ratio is None


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [(24.9, "no"), (25, "must"), (29.9, "must"), (30, "goal")],
)
def test_of_more_is_better_a_limit_is_reached_from_below(ours: float, wanted: str) -> None:
    assert line([ours], [10], must=2.5, goal=3.0).reached == wanted


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [(2049, "no"), (2048, "must"), (1537, "must"), (1536, "goal")],
)
def test_of_less_is_better_a_limit_is_reached_from_above(ours: float, wanted: str) -> None:
    found = Line(what="", unit="bytes", ours=[ours], must=2048, goal=1536, more_is_better=False)
    assert found.reached == wanted


def test_a_limit_of_our_own_value_is_not_of_the_ratio() -> None:
    beside = {"peer": "peer", "theirs": [0.1], "more_is_better": False}
    found = Line(what="", unit="s", ours=[0.9], must=1.0, absolute=True, **beside)
    assert found.reached == "must"
    assert found.as_dict()["of"] == "ours"


def test_where_only_a_goal_is_set_it_is_not_yet_or_reached() -> None:
    assert line([1], [2], goal=1.0).reached == "not yet"
    assert line([2], [2], goal=1.0).reached == "goal"
    assert line([2], [2]).reached == ""


def test_a_limit_is_not_reached_where_the_peer_did_nothing() -> None:
    assert line([1], [0], must=1.0).reached == "no"


def test_the_rows_are_the_ones_that_are_asked_for() -> None:
    assert [row.number for row in rows.ROWS] == list(range(1, len(ASKED) + 1))
    for row, asked in zip(rows.ROWS, ASKED, strict=True):
        assert row.figure.startswith(asked)


def test_every_row_is_measured_and_nothing_else() -> None:
    assert list(MEASURES) == [row.name for row in rows.ROWS]


def test_the_report_has_every_row_measured_or_not() -> None:
    measured = {"acks-8": [line([3], [2], must=1.5)]}
    found = json.loads(json.dumps(report(rows.ROWS, measured, {"Python": "3"})))
    assert [row["name"] for row in found["rows"]] == [row.name for row in rows.ROWS]
    assert all(row["must"] for row in found["rows"])
    (only,) = [entry for row in found["rows"] for entry in row["lines"]]
    assert (only["ours"], only["theirs"], only["ratio"]) == (3, 2, 1.5)
    assert (only["must"], only["reached"], only["of"]) == (1.5, "must", "ratio")
    assert only["runs"] == {"ours": [3], "theirs": [2]}


def test_the_table_has_what_was_measured_and_its_columns_stand_below_each_other() -> None:
    measured = {"acks-8": [line([3_000.4], [1_500.2], must=1.5, goal=2.5)]}
    lines = text(rows.ROWS, measured).splitlines()
    assert len(lines) == 4
    assert len({len(drawn) for drawn in lines}) == 1
    cells = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    assert cells == [
        "granian",
        "3,000/s",
        "peer",
        "1,500/s",
        "2.00 ×",
        "≥ 1.50 ×",
        "≥ 2.50 ×",
        "must",
    ]


@pytest.mark.parametrize(
    ("value", "unit", "wanted"),
    [(0.123, "s", "0.12 s"), (12.34, "ms", "12.3 ms"), (12345.6, "/s", "12,346/s")],
)
def test_a_value_is_shown_with_as_many_digits_as_say_something(
    value: float, unit: str, wanted: str
) -> None:
    assert shown(value, unit) == wanted


def test_the_options_make_the_plan() -> None:
    assert planned(options([])) == WHOLE == Plan()
    assert planned(options(["--quick"])) == QUICK
    chosen = options(["--quick", "--repeats", "2", "--seconds", "3", "--waiting", "9"])
    assert planned(chosen) == Plan(seconds=3, repeats=2, waiting=9)
    assert options(["--only", "spool", "--only", "memory"]).only == ["spool", "memory"]
    assert options(["--json", "a.json"]).json == Path("a.json")


def test_a_row_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["--only", "nothing"])
    assert "'acks-64'" in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(BenchError, match="no-such-program is not installed: apt-get install wrk"):
        need("no-such-program", "wrk")


def test_without_redis_the_one_of_the_tests_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.servers.find", lambda program: None)
    assert Path(redis_server()).name == "valkey-server"


def test_what_wrk_printed_is_read() -> None:
    found = load.read(f"Running 2s test\n{MEASURED}\n", "url")
    assert (found.requests, found.per_second) == (4000, 2000)
    assert (found.p50, found.p99, found.most) == (1.5, 9.0, 12.0)


@pytest.mark.parametrize("name", ["faults", "status", "wrong"])
def test_an_answer_that_is_not_right_ends_the_bench(name: str) -> None:
    with pytest.raises(BenchError, match=name):
        load.read(MEASURED.replace(f"{name}=0", f"{name}=1"), "url")


def test_a_load_that_was_not_answered_at_all_ends_the_bench() -> None:
    with pytest.raises(BenchError, match="of 0 requests"):
        load.read(MEASURED.replace("requests=4000", "requests=0"), "url")
    with pytest.raises(BenchError, match="unable to connect"):
        load.read("unable to connect", "url")


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 201)]
    assert (share_of(values, 0.5), share_of(values, 0.99), share_of(values, 1.0)) == (100, 198, 200)


def test_times_are_read_up_to_the_last_whole_line(tmp_path: Path) -> None:
    assert times_in(tmp_path / "none") == {}
    (tmp_path / "times").write_text("1-1 10.5\n1-2 11.5\n1-3 1")
    assert times_in(tmp_path / "times") == {"1-1": 10.5, "1-2": 11.5}


@pytest.mark.parametrize("file", PEERS, ids=lambda file: file.stem)
def test_every_peer_compiles_and_says_what_it_is(file: Path) -> None:
    tree = ast.parse(file.read_text())
    compile(tree, str(file), "exec")
    assert ast.get_docstring(tree)


def test_every_peer_with_requirements_has_a_file_and_is_known() -> None:
    with_requirements = {file.stem for file in (ROOT / "bench" / "peers").glob("*.txt")}
    assert with_requirements < set(peers())
    assert {"flask_empty", "flask_rq", "flask_celery", "flask_huey", "fastapi_arq"} <= set(peers())


@pytest.mark.parametrize("file", [*FILES, *PEERS], ids=lambda file: file.stem)
def test_the_files_of_the_bench_are_short(file: Path) -> None:
    written = file.read_text()
    assert len(written.splitlines()) <= 300
    assert long_functions(written) == []


def test_the_load_has_a_callback_of_the_documented_shape() -> None:
    script = (ROOT / "bench" / "callback.lua").read_text()
    fields = ("from", "to", "channel", "timeUTC", "transaction_id", "message", "text", "billing")
    assert [name for name in fields if not re.search(f'"{name}": ', script)] == []
