"""What the bench writes: a report that is read again, the blocks of pages, the facts."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import machine, rows
from bench.page import blocks_of, filled, markdown, told
from bench.programs import BenchError
from bench.table import Line, read, report

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "docs" / "figures" / "bench.json"
PAGE = "above\n<!-- figures: how-fast -->\nold\n<!-- end -->\nbelow\n"

LINES = {
    "acks-8": [
        Line(what="granian", unit="/s", ours=[3, 9], peer="P", theirs=[2], must=1.5, goal=9.0)
    ],
    "memory": [
        Line(what="mean", unit="bytes", ours=[2000], must=2048, goal=1536, more_is_better=False)
    ],
    "start": [
        Line(what="first", unit="s", ours=[0.5], peer="P", theirs=[1], must=1.0, absolute=True)
    ],
}


def test_a_report_that_is_read_again_is_the_same_report() -> None:
    written = json.loads(json.dumps(report(rows.ROWS, LINES, {"Python": "3"})))
    found_rows, measured, facts = read(written)
    assert found_rows == list(rows.ROWS)
    assert list(measured) == ["acks-8", "memory", "start"]
    assert json.loads(json.dumps(report(found_rows, measured, facts))) == written


def test_the_pages_block_has_every_row_measured_or_not_and_the_facts() -> None:
    block = blocks_of(report(rows.ROWS, LINES, {"machine": "2 cores", "command": "python -m x"}))
    written = block["how-fast"]
    for row in rows.ROWS:
        (line,) = [line for line in written.splitlines() if f"**{row.number}. " in line]
        assert row.figure in line
        assert row.must in line
        assert line.endswith("| not measured |") is (row.name not in LINES)
    assert "| granian | 6.00/s | P | 2.00/s | 3.00 × | ≥ 1.50 × | ≥ 9.00 × | must |" in written
    assert "- machine: 2 cores\n- command: `python -m x`" in written


def test_a_table_of_markdown_has_as_many_cells_in_each_line() -> None:
    found = markdown([["figure", "ours", "command"], ["a", "1", ""], ["b", "", "x"]])
    assert found.splitlines() == [
        "| figure | ours | command |",
        "|---|---:|---|",
        "| a | 1 | |",
        "| b | | x |",
    ]


def test_a_block_is_written_anew_and_what_is_around_it_stays() -> None:
    once = filled(PAGE, {"how-fast": "new"})
    assert once == PAGE.replace("old", "new")
    assert filled(once, {"how-fast": "new"}) == once


def test_a_value_with_a_backslash_is_no_pattern() -> None:
    assert "\\1 \\g<0>" in filled(PAGE, {"how-fast": "\\1 \\g<0>"})


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param({}, id="a block that nobody writes"),
        pytest.param({"how-fast": "", "other": ""}, id="one that the page lacks"),
    ],
)
def test_the_blocks_of_a_page_are_all_written_or_none(blocks: dict[str, str]) -> None:
    with pytest.raises(BenchError, match="the page has these blocks: how-fast"):
        filled(PAGE, blocks)


def test_the_command_that_is_told_names_no_file_of_somebodys() -> None:
    given = ["--quick", "--json", "/a/b.json", "--only", "spool", "--plot=/a/c", "--page", "--from"]
    found = machine.command_of("bench", given)
    assert found == "python -m bench --quick --only spool"


def test_the_facts_name_machine_versions_date_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "need", lambda program, package: sys.executable)
    found = machine.facts(program.QUICK, sys.executable, "python -m bench", peers=False)
    assert found["command"] == "python -m bench"
    assert re.fullmatch(r"\d+ cores?, \d+ GB, \w+", found["machine"])
    assert found["processor"]
    assert "rq 2" in found["versions"]
    assert "celery" not in found["versions"]
    assert "- versions: " in told(found)


def test_the_page_is_written_without_measuring_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "speed.md"
    page.write_text(PAGE)
    given = ["bench", "--page", str(page), "--from", str(BENCH)]
    monkeypatch.setattr(sys, "argv", given)
    monkeypatch.setattr(program, "run", None)
    assert program.main() == 0
    assert page.read_text() == filled(PAGE, blocks_of(json.loads(BENCH.read_text())))


@pytest.mark.parametrize("given", [["--page", "a"], ["--from", "a"]], ids=str)
def test_a_page_without_a_report_is_refused(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.options(given)
    assert "go together" in capsys.readouterr().err


def test_the_figures_shown_are_those_of_the_committed_report() -> None:
    page = (ROOT / "docs" / "explanation" / "speed.md").read_text()
    assert filled(page, blocks_of(json.loads(BENCH.read_text()))) == page
