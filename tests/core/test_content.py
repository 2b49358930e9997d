import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from headstart.core.content import fingerprint, hash_array, hash_json, hash_tree, row_hashes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ARRAYS = npst.arrays(st.sampled_from([np.uint8, np.int64, np.float32]), npst.array_shapes(max_side=3))


@given(JSON)
def test_equal_values_have_equal_names(value: object) -> None:
    assert hash_json(value) == hash_json(value)
    assert len(hash_json(value)) == 32


@pytest.mark.parametrize(("left", "right"), [(1, "1"), ([1, 2], [2, 1]), ({"a": 1}, {"a": 2}), (None, False)])
def test_different_values_have_different_names(left: object, right: object) -> None:
    assert hash_json(left) != hash_json(right)


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        hash_json({"score": float("nan")})


@given(ARRAYS)
def test_layout_in_memory_does_not_matter(array: np.ndarray) -> None:
    assert hash_array(np.asfortranarray(array)) == hash_array(array)
    assert hash_array(np.repeat(array, 2, axis=0)[::2]) == hash_array(array)


@given(ARRAYS)
def test_type_shape_and_values_matter(array: np.ndarray) -> None:
    assert hash_array(array.astype(np.float64)) != hash_array(array)
    assert hash_array(array[None]) != hash_array(array)
    changed = array.copy()
    changed.flat[0] = 1 if changed.flat[0] != 1 else 2
    assert hash_array(changed) != hash_array(array)


def test_order_of_names_does_not_matter_but_names_do() -> None:
    a, b = torch.ones(2), torch.zeros(2)
    assert hash_tree({"a": a, "b": b}) == hash_tree({"b": b, "a": a})
    assert hash_tree({"a": a, "b": b}) != hash_tree({"a": b, "b": a})
    assert hash_tree({"a": a.requires_grad_()}) == hash_tree({"a": torch.ones(2)})
    assert hash_tree({}) == hash_tree({})


@given(ARRAYS)
def test_a_fingerprint_is_of_bytes_and_nothing_else(array: np.ndarray) -> None:
    assert fingerprint(array.tobytes()) == fingerprint(np.ascontiguousarray(array).data)
    assert fingerprint(array.tobytes()) != fingerprint(array.tobytes() + b"0")
    assert len(fingerprint(b"")) == 16


@pytest.mark.parametrize("width", [3, 5000])
def test_rows_are_hashed_in_their_order_on_any_number_of_cores(width: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (700, width), dtype=np.uint8)
    assert row_hashes(rows) == row_hashes(list(rows)) == [fingerprint(row.tobytes()) for row in rows]
    assert row_hashes(rows[:0]) == []
