"""The curves and costs of ``python -m bench.scaling``: their arithmetic, pictures and page."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from bench import page_scaling, scaling, scaling_costs, scaling_curves
from bench.plan import QUICK, WHOLE, Plan
from bench.plot import DARK, LIGHT, Curve, svg, ticks_to
from bench.programs import BenchError
from bench.servers import our_environment

DOCS = Path(__file__).parents[1] / "docs"
FIGURES = DOCS / "figures" / "scaling.json"
SVG = "{http://www.w3.org/2000/svg}"

CURVE = Curve(
    name="waiting",
    title="Acks & waiting",
    across="events waiting",
    up="acks a second",
    unit="/s",
    points=[(1, 4_000.0), (1_000, 3_900.0), (1_000_000, 3_800.4)],
    log=True,
)


def committed() -> dict[str, Any]:
    """Give the figures that are committed."""
    return dict(json.loads(FIGURES.read_text()))


def drawn(curve: Curve) -> ElementTree.Element:
    """Read a picture as a browser does."""
    return ElementTree.fromstring(svg(curve))


def circles(curve: Curve) -> list[tuple[float, float]]:
    """Give where the points are."""
    found = drawn(curve).iter(f"{SVG}circle")
    return [(float(one.attrib["cx"]), float(one.attrib["cy"])) for one in found]


def luminance(colour: str) -> float:
    """Give the relative luminance of a colour, as WCAG 2 has it."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, as WCAG 2 has it."""
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_same_points_give_the_same_picture() -> None:
    assert svg(CURVE) == svg(CURVE)


def test_a_picture_has_a_title_a_description_and_its_values_as_text() -> None:
    root = drawn(CURVE)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert title.text == "Acks & waiting"
    assert "3,800/s at 1,000,000" in str(description.text)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert {"4,000/s", "3,900/s", "3,800/s", "1", "1,000", "1,000,000", "acks a second"} <= texts
    assert "events waiting (logarithmic)" in texts


def test_on_a_logarithmic_scale_a_thousand_lies_half_way_to_a_million() -> None:
    (left, _), (middle, _), (right, _) = circles(CURVE)
    assert middle == pytest.approx((left + right) / 2)


def test_on_a_plain_scale_four_lies_half_way_from_nothing_to_eight() -> None:
    points = [(count, 10.0 * count) for count in (1, 2, 4, 8)]
    one, two, four, eight = circles(Curve(**{**fields(CURVE), "points": points, "log": False}))
    assert eight[0] - four[0] == pytest.approx(2 * (four[0] - two[0]), abs=0.2)
    assert one[1] > two[1] > four[1] > eight[1]


def test_a_single_point_is_drawn_as_well() -> None:
    assert len(circles(Curve(**{**fields(CURVE), "points": [(1, 5.0)]}))) == 1


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_a_picture_is_readable_on_light_and_on_dark(palette: dict[str, str]) -> None:
    assert contrast(palette["ground"], palette["ink"]) >= 7
    assert contrast(palette["ground"], palette["curve"]) >= 4.5
    assert all(colour in svg(CURVE) for colour in palette.values())


@pytest.mark.parametrize(
    ("highest", "wanted"),
    [
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1100.0, [0, 250, 500, 750, 1000, 1250]),
        (5.0, [0, 1, 2, 3, 4, 5]),
        (0.0, [0]),
    ],
)
def test_the_values_at_the_axis_are_round(highest: float, wanted: list[float]) -> None:
    if highest:
        assert ticks_to(highest) == pytest.approx(wanted)
    assert ticks_to(highest)[-1] >= highest


def test_the_options_make_the_plan() -> None:
    assert scaling.planned(scaling.options([])) == WHOLE
    assert scaling.planned(scaling.options(["--quick"])) == QUICK
    chosen = scaling.options(["--waiting", "9", "--seconds", "2", "--repeats", "4"])
    assert scaling.planned(chosen) == Plan(waiting=9, seconds=2, repeats=4)
    assert scaling.options(["--from", "a.json"]).source == Path("a.json")


def test_a_curve_is_of_medians_and_what_was_not_measured_has_none() -> None:
    points = [{"at": 1, "runs": [10, 900, 30]}, {"at": 2, "runs": [50]}]
    (curve,) = scaling_curves.curves_of({"workers": {"workers": points}, "facts": {}})
    assert (curve.name, list(curve.points)) == ("workers", [(1, 30), (2, 50)])


def test_a_part_that_cannot_be_measured_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(plan: Plan) -> dict[str, Any]:
        raise BenchError("no disk is left")

    monkeypatch.setattr(scaling, "MEASURES", {"hosts": fail, "costs": lambda plan: {"a": 1}})
    monkeypatch.setattr(scaling, "facts", lambda *_, **__: {"Python": "3"})
    monkeypatch.setattr(scaling, "need", lambda *_: "wrk")
    path = tmp_path / "found.json"
    found = scaling.measure(QUICK, ["hosts", "costs"], "command", path)
    assert found == json.loads(path.read_text()) == {"facts": {"Python": "3"}, "costs": {"a": 1}}
    assert "no disk is left" in capsys.readouterr().err


def test_pictures_and_page_are_made_from_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "scaling.md"
    page.write_text(re.sub(r"(figures: \S+ -->\n).*?(<!-- end)", r"\1\2", whole_page(), flags=re.S))
    given = ["--from", str(FIGURES), "--plot", str(tmp_path), "--page", str(page)]
    monkeypatch.setattr(sys, "argv", ["scaling", *given])
    monkeypatch.setattr(scaling, "measure", None)
    assert scaling.main() == 0
    assert page.read_text() == whole_page()
    made = {file.name: file.read_text() for file in tmp_path.glob("*.svg")}
    assert made == {file.name: file.read_text() for file in DOCS.glob("*.svg")}
    assert set(made) == set(re.findall(r"\]\((\S+\.svg)\)", whole_page()))


def test_a_page_needs_all_parts() -> None:
    found = committed()
    del found["hosts"]
    with pytest.raises(BenchError, match="not measured: \\['hosts'\\]"):
        page_scaling.blocks_of(found)


def test_the_pages_arithmetic() -> None:
    found = committed()
    found["costs"] = {
        "accept": {"web_us": 400, "redis_us": 60, "main_us": 50, "file_bytes": 1500},
        "handle": {
            "worker_us": 300,
            "redis_us": 40,
            "main_us": 50,
            "file_bytes": 500,
            "waiting_bytes": 1500,
            "kept_bytes": 1000,
        },
        "paced": {"per_second": 400, "web_us": 900, "worker_us": 600, "redis_us": 300},
    }
    blocks = page_scaling.blocks_of(found)
    assert "| **all** | 800 s | 1,800 s |" in blocks["cost"]
    assert "at 400 a second" in blocks["cost"]
    assert "accepts at most | 20,000/s" in blocks["ceiling"]
    assert "handles at most | **10,000/s**" in blocks["ceiling"]
    assert "| both | 2,000 MB |" in blocks["ceiling"]
    assert "| a million that wait | 1.50 GB |" in blocks["memory"]
    # 100,000 × 1,500 bytes + 100,000 × 7 days × 1,000 bytes
    assert "| 0.85 GB |" in blocks["memory"]
    # 4 cores × 0.3 × 2,628,000 s / 1,800 s; 16 GB × 0.5 × 30.4 days / (7 days × 1 GB); 40 / 34.7
    assert "by its cores | 1,752 million" in blocks["price"]
    assert "by its memory | 35 million" in blocks["price"]
    assert "35 million a month | 1.15 |" in blocks["price"]


def test_every_figure_has_a_command_that_measures_it() -> None:
    for name, block in page_scaling.blocks_of(committed()).items():
        lines = block.splitlines()[2:] if name != "measured-on" else []
        for line in lines:
            (part,) = re.findall(r"`python -m bench\.scaling --only (\w+)`", line)
            assert part in scaling.MEASURES


def test_workers_are_run_as_a_user_runs_them_and_their_time_is_read(
    tmp_path: Path, redis_url: str
) -> None:
    environment = our_environment(redis_url)
    with scaling_curves.started(2, tmp_path / "workers", environment) as (leader, log):
        assert log.read_text().count("worker_started") == 6
        assert scaling_costs.cpu_us(leader) > 0
    assert scaling_costs.cpu_us(leader) == 0


def fields(curve: Curve) -> dict[str, Any]:
    """Give what a curve consists of."""
    return {name: getattr(curve, name) for name in Curve.__dataclass_fields__}


def whole_page() -> str:
    """Give the page as it is committed."""
    return (DOCS / "scaling.md").read_text()
