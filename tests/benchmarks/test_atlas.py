"""A slice of the atlas: federations that scikit-learn alone can make, from the deal to the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import atlas
from atlas_map import draw, points
from atlas_old_rule import old_rule
from atlas_page import page
from atlas_plans import Plan, deal, held, plans
from atlas_refit import fit, score
from atlas_rows import in_balanced, insides, joined, predicted_now, predictions_of, read
from atlas_scores import choosers
from atlas_sets import DRAWN, FILES, kin, open_pool

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["wine", "digits", "synthetic-some"])
def test_clients_hold_rows_of_their_own_and_fresh_rows_are_nobodys(name):
    pool = open_pool(name)
    for plan in plans(pool):
        dealt = deal(pool, plan)
        clients = dealt.federation.clients
        own = [np.concatenate([c.train, c.val, c.test[:n]]) for c, n in zip(clients, dealt.own, strict=True)]
        everyone = np.concatenate(own)
        assert len(np.unique(everyone)) == len(everyone)
        fresh = np.concatenate([c.test[n:] for c, n in zip(clients, dealt.own, strict=True)])
        assert not np.intersect1d(fresh, everyone).size
        assert len(clients) == plan.clients
        if not plan.uneven:
            assert {len(rows) for rows in own} == {held(plan.examples)}


def test_a_deal_follows_its_plan_alone():
    pool = open_pool("digits")
    plan = Plan("digits", 10, 30, 0.1, sites=False)
    first, second, other = deal(pool, plan), deal(pool, plan), deal(pool, plan, seed=1)
    assert first.federation.key == second.federation.key != other.federation.key
    counts = first.federation.class_counts()
    assert np.median((counts > 0).sum(axis=1)) <= 4
    fresh = [
        np.unique(first.federation.examples.labels[c.test[n:]])
        for c, n in zip(first.federation.clients, first.own, strict=True)
    ]
    assert all(
        set(np.flatnonzero(row)) <= set(labels) for row, labels in zip(counts, fresh, strict=True) if row.max() < 20
    )


def test_sites_stay_apart():
    pool = open_pool("synthetic-strong")
    natural = plans(pool)[0]
    assert (natural.sites, natural.alpha, natural.clients) == (True, None, 6)
    means = [
        deal(pool, natural).federation.examples.inputs[c.train].mean(axis=0)
        for c in deal(pool, natural).federation.clients
    ]
    assert np.ptp(means, axis=0).max() > 1


def test_every_data_set_is_left_out_with_its_kin():
    assert {kin(name) for name in ("mnist", "digits", "digit-domains")} == {"digits"}
    assert kin("reviews") == kin("sst2") != kin("wine") == "wine"
    assert not set(FILES) & set(DRAWN)


def test_a_slice_runs_resumes_and_becomes_a_page(tmp_path, monkeypatch):
    monkeypatch.delenv("HEADSTART_DATA", raising=False)
    wanted = atlas.Wanted(tmp_path / "rows.jsonl", ("wine", "breast-cancer"), limit=1)
    assert atlas.every(atlas.run_data, wanted) == 2
    with wanted.rows.open("a") as file:
        file.write('{"name": "torn')
    assert atlas.every(atlas.run_data, wanted) == 0
    assert atlas.every(atlas.predict_data, wanted) == 2
    rows = joined(read(wanted.rows), read(predictions_of(wanted.rows)))
    assert [row["data"] for row in rows] == ["breast-cancer", "wine"]
    for row in rows:
        assert row["regret"]["both"] == pytest.approx(row["fresh"][row["best"]] - row["fresh"]["both"], abs=2e-4)
        assert len(row["contrasts"]) == 3
    assert len(insides(rows)) == 6
    assert {in_balanced(rows)[0]["predicted"]["family"]} <= {"fine-tune", "federate", "both"}
    assert "| breast-cancer | 1 |" in page(rows)
    draw(rows, tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000


def _row(**other):
    signals = {"a": 0.0, "q": 0.0, "v": 0.0, "se": 0.0}
    row = {
        "signals": {"federate": signals, "both": signals},
        "fresh": {"fine-tune": 0.5, "federate": 0.6, "both": 0.595},
    }
    return {**row, "best": "federate", "data": "d", **other}


def test_scores_by_hand():
    rows = [_row(), _row(best="fine-tune", fresh={"fine-tune": 0.9, "federate": 0.8, "both": 0.7})]
    gains = {"federate": {"low": 0.0, "high": 0.2}, "both": {"low": 0.2, "high": 0.3}}
    found = score(rows, lambda row: "both", lambda row: gains)
    assert (found.hits, found.federations, found.coverage) == (0.5, 2, 0.25)
    assert found.regret == pytest.approx((0.005 + 0.2) / 2)
    assert found.worst == pytest.approx(0.2)


def test_the_fit_finds_what_made_the_gains():
    generator, rows = np.random.default_rng(0), []
    for _ in range(600):
        a, q, v = generator.normal(0, 0.1, 3)
        se = generator.uniform(0, 0.1)
        gain = 0.01 + 0.3 * a + 0.4 * q + 0.2 * v + generator.normal(0, np.sqrt(0.0004 + 0.4 * se**2))
        fresh = {"fine-tune": 0.5, "federate": 0.5 + gain, "both": 0.5}
        rows.append(_row(signals={"federate": {"a": a, "q": q, "v": v, "se": se}}, fresh=fresh))
    found = fit(rows, "federate", validated=True)
    assert [found.constant, found.a, found.q, found.v] == pytest.approx([0.01, 0.3, 0.4, 0.2], abs=0.05)
    assert (found.spread, found.noise) == (pytest.approx(0.0004, rel=0.4), pytest.approx(0.4, rel=0.4))


def test_the_rule_before_shares_where_the_gap_is_above_the_noise():
    def clients(turn):
        generator = np.random.default_rng(1)
        parts = []
        for client in range(8):
            labels = np.arange(40) % 2
            features = generator.standard_normal((40, 6))
            features[:, 0] += np.where((labels + turn * client) % 2, 1.5, -1.5)
            parts.append((features, labels))
        return [(f[:10], y[:10]) for f, y in parts], [(f[10:], y[10:]) for f, y in parts]

    assert old_rule(*clients(0), 2) == "federate"
    assert old_rule(*clients(1), 2) == "both"  # pooled, the features say nothing


def test_the_page_says_what_its_rows_say():
    rows, text = [predicted_now(row) for row in read(DOCS / "atlas.jsonl")], (DOCS / "atlas.md").read_text()
    assert len(rows) >= 100
    assert f"**{len(rows)} federations**" in text
    for name, found in choosers(rows).items():
        assert f"| {name} | {found.hits:.2f} | {100 * found.regret:.2f} |" in text
    assert len(points(rows)) == len(rows)
