import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from headstart.core.errors import SettingError
from headstart.report import figures, load_run, save_figures, to_markdown
from headstart.report.figure_curves import curves
from headstart.report.palette import VARIABLES
from headstart.report.svg import inline_svg

from .run_folders import Recipe, write_run

EVERY = ["arms", "clients", "differences", "cost", "curves"]


@pytest.mark.parametrize("width", [880, 350])
def test_every_figure_is_a_valid_chart(slate_folder: Path, width: int) -> None:
    charts = figures(load_run(slate_folder), width)
    assert list(charts) == EVERY
    assert all(chart.to_dict()["usermeta"]["description"] for chart in charts.values())


def test_only_figures_with_data_are_drawn(bare_folder: Path) -> None:
    assert list(figures(load_run(bare_folder))) == ["arms", "clients"]


def test_each_clients_gain_is_drawn_where_it_is_known(answered: dict[str, Path]) -> None:
    chart = figures(load_run(answered["better"]))["gains"].to_dict()
    assert "clinic-2 alone +" in chart["usermeta"]["description"]
    assert "gains" not in figures(load_run(answered["not kept"]))


CURVES = {
    "examples": 30,
    "own": [[30, 0.4], [15, 0.44]],
    "shared": [[30, 0.32], [15, 0.35]],
    "fitted": [[4, 0.45, 0.4], [30, 0.4, 0.32], [900, 0.27, 0.27], [3600, 0.25, 0.266]],
    "until": 900,
    "low": 300,
    "high": None,
}


_ENDS = [{}, {"high": 2500}, {"until": None, "low": None}, {"until": 0, "low": 0, "high": 2}]


@pytest.mark.parametrize("change", _ENDS)
@pytest.mark.parametrize("width", [880, 350])
def test_where_a_client_needs_no_others_is_drawn(width: int, change: dict[str, Any], bare_folder: Path) -> None:
    (bare_folder / "diagnosis.json").write_text(json.dumps({"prediction": {}, "curves": {**CURVES, **change}}))
    chart = figures(load_run(bare_folder), width)["until"]
    described = chart.to_dict()
    assert "sharing" in described["usermeta"]["description"]
    # A place is marked where a number is named.
    assert ("strokeDash" in json.dumps(described)) == (change == {"high": 2500})
    assert "<svg" in inline_svg(chart, "until")


LEVELS = [
    {
        "epsilon": epsilon,
        "family": family,
        "leader": family,
        "grounds": "better",
        "families": {
            "fine-tune": {"arm": "local", "mean": 0.6, "low": 0.55, "high": 0.65},
            "federate": {"arm": "fedavg", "mean": 0.7, "low": None, "high": None},
        },
    }
    for epsilon, family in ((0.5, "federate"), (8.0, "federate"), (None, "fine-tune"))
]


@pytest.mark.parametrize("width", [880, 350])
def test_who_wins_at_which_epsilon_is_drawn_and_said(width: int, slate_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(slate_folder, tmp_path / "run")
    verdict = json.loads((folder / "verdict.json").read_text())
    (folder / "verdict.json").write_text(json.dumps({**verdict, "by_epsilon": LEVELS}))
    run = load_run(folder)
    chart = figures(run, width)["privacy"]
    words = "at epsilon 0.5 to 8 federating; without noise fine-tuning alone."
    assert chart.to_dict()["usermeta"]["description"].endswith(words)
    assert "no noise" in inline_svg(chart, "privacy")
    assert words in to_markdown(run)
    assert "| 0.5 | fine-tuning alone | local | 60.0%" in to_markdown(run)


def test_many_clients_are_shown_as_a_distribution(tmp_path: Path) -> None:
    many = load_run(write_run(tmp_path, Recipe(arms=("local", "ridge", "fedavg"), seeds=1, clients=61, curves=False)))
    chart = figures(many)["clients"].to_dict()
    assert "distribution" in chart["usermeta"]["description"]


def test_inline_svg_scales_follows_the_theme_and_speaks(few_folder: Path) -> None:
    text = inline_svg(figures(load_run(few_folder))["arms"], "wide-arms")
    assert text.startswith('<svg viewBox="0 0 ')
    assert '<title id="wide-arms-title">Arms by balanced accuracy</title>' in text
    assert "var(--recommended)" in text
    assert not [colour for colour in VARIABLES if colour in text]
    assert "http" not in text


def test_save_figures_as_png_and_svg(few_folder: Path, tmp_path: Path) -> None:
    run = load_run(few_folder)
    pictures = save_figures(run, tmp_path / "figures")
    assert [path.name for path in pictures] == [f"{name}.png" for name in EVERY]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert all("<svg" in path.read_text() for path in save_figures(run, tmp_path, format="svg"))


def test_an_unknown_figure_format(few_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="figure format 'pgn' is unknown: did you mean 'png'"):
        save_figures(load_run(few_folder), tmp_path, format="pgn")


def test_arms_that_share_their_rounds_share_a_line(bare_folder: Path) -> None:
    point = {"stage": "fedavg", "val_loss": 1.0, "bytes": 0.0}
    curve = [{**point, "round": at, "val_accuracy": 0.5 + at / 100} for at in range(3)]
    record = json.loads((bare_folder / "records.jsonl").read_text()) | {"curve": curve}
    lines = [record, {**record, "arm": "fedavg-finetune"}]
    (bare_folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (line,) = curves(load_run(bare_folder))
    assert set(line.arms) == {"fedavg", "fedavg-finetune"}
    assert line.points[-1][:2] == (2, pytest.approx(52))


def test_of_many_curves_the_best_are_told_apart_and_the_others_are_grey(bare_folder: Path) -> None:
    record = json.loads((bare_folder / "records.jsonl").read_text())
    lines = []
    for arm in range(14):
        points = [{"stage": "fedavg", "round": at, "val_accuracy": 0.5 + at * arm / 100, "bytes": 0} for at in range(3)]
        lines.append({**record, "arm": f"arm-{arm}", "curve": points})
    (bare_folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn = json.dumps(figures(load_run(bare_folder))["curves"].to_dict())
    assert "8 others, grey" in drawn
    assert len(set(re.findall(r'"name": "(arm-\d+)"', drawn))) == 6


def test_curves_without_validation_data_are_left_out(bare_folder: Path) -> None:
    points = [{"round": at, "stage": "fedavg", "val_loss": None, "val_accuracy": None, "bytes": 0} for at in range(3)]
    record = json.loads((bare_folder / "records.jsonl").read_text()) | {"curve": points}
    (bare_folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    assert "curves" not in figures(load_run(bare_folder))


def test_a_name_that_is_cut_at_an_emoji_is_drawn(tmp_path: Path) -> None:
    name = 30 * "\N{GRINNING FACE}" + "{}"
    run = load_run(write_run(tmp_path, Recipe(arms=("local", "fedavg"), seeds=1, clients=4, unseen=0, names=name)))
    assert "<svg" in inline_svg(figures(run, 350)["clients"], "clients")


def test_marks_say_what_they_stand_for(slate_folder: Path) -> None:
    drawn = {name: inline_svg(chart, name) for name, chart in figures(load_run(slate_folder)).items()}
    assert all('data-t="' in text for text in drawn.values())
    assert 'data-t="ridge-personal: ' in drawn["arms"]
    assert 'data-t="site-3, ridge: ' in drawn["clients"]
    assert 'data-t="site-3, ridge: +' in drawn["differences"] + drawn["differences"].replace("\N{MINUS SIGN}", "+")
    assert "aria-label" not in "".join(drawn.values())
