"""Whatever the settings of a bundle say, they are used or refused in one line."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handmade import make_bundle, seal, write_data
from headstart_edge import EdgeError, finetune, open_bundle, open_data, reset

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    *(("labels",), ("num_features",), ("backbone",), ("metric",), ("seed",), ("input",), ("adapt",)),
    *(("input", name) for name in ("kind", "channels", "height", "width", "background", "range", "columns")),
    *(("adapt", name) for name in ("method", "epochs", "client_lr", "batch_size", "optimizer", "momentum")),
    *(("adapt", name) for name in ("weight_decay", "balance", "local_steps", "accept", "penalty")),
]


@given(st.sampled_from(PLACES), ANY)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_settings_say_it_works_or_is_one_line(
    shared: tuple[Path, Path], place: tuple[str, ...], value: Any
) -> None:
    bundle, data = shared
    said = json.loads((bundle.parent / "settings.json").read_text())
    table = said
    for name in place[:-1]:
        table = table[name]
    table[place[-1]] = value
    (bundle / "settings.json").write_text(json.dumps(said))
    works = []
    with contextlib.suppress(EdgeError):
        works.append(opened := open_bundle(seal(bundle)))
        asked = opened.settings["adapt"]
        if asked.get("epochs", 0) < 50 and (asked.get("local_steps") or 0) < 50:
            finetune(opened, open_data(data, opened), state=bundle.parent / "state")
    for opened in works:
        reset(opened, bundle.parent / "state")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("shared")
    bundle = make_bundle(folder / "bundle")
    (folder / "settings.json").write_bytes((bundle / "settings.json").read_bytes())
    return bundle, write_data(folder / "data", 12)


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 12_000, "1" * 60_000, '{"format": NaN}', '"\\ud800"'])
@pytest.mark.parametrize("name", ["manifest.json", "settings.json"])
def test_json_too_deep_or_odd_is_one_line(bundle: Path, name: str, text: str) -> None:
    (bundle / name).write_text(text)
    if name == "settings.json":
        seal(bundle)
    with pytest.raises(EdgeError, match=rf"^{name}: .*must be") as error:
        open_bundle(bundle)
    assert len(str(error.value)) < 400
