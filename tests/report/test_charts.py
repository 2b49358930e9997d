from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headstart.report.charts import place_labels, spread


@given(st.lists(st.floats(0, 300), max_size=14))
def test_spread_labels_keep_their_order_and_do_not_touch(wanted: list[float]) -> None:
    placed = spread(wanted, 15, 0, 300)
    order = sorted(range(len(wanted)), key=lambda at: wanted[at])
    heights = [placed[at] for at in order]
    assert all(low + 15 <= high + 1e-6 for low, high in pairwise(heights))


@given(st.lists(st.tuples(st.floats(60, 540), st.floats(40, 260)), min_size=1, max_size=5))
def test_a_name_lies_within_the_figure(points: list[tuple[float, float]]) -> None:
    width = len("ridge") * 6.6
    before = {"left": 0, "right": width, "center": width / 2}
    placed = place_labels(points, ["ridge"] * len(points), 600, 300)
    lefts, heights = [x - before[align] for x, _, align in placed], [y for _, y, _ in placed]
    assert min(lefts) >= 0
    assert max(lefts) + width <= 600
    assert 0 <= min(heights) <= max(heights) <= 300


def test_names_beside_two_near_points_do_not_overlap() -> None:
    (ax, ay, a), (bx, by, b) = place_labels([(100, 100), (103, 104)], ["fedavg", "ridge"], 600, 300)
    assert (a, b) != ("left", "left") or abs(ay - by) >= 14
    assert (ax, ay) != (bx, by)


def test_names_that_need_not_be_there_are_left_out_where_no_place_is_free() -> None:
    points = [(100.0, 100.0 + i % 2) for i in range(40)]
    names = ["fedavg-finetune"] * len(points)
    placed = place_labels(points, names, 300, 200, needed=1)
    assert placed[0] is not None
    assert None in placed
    assert None not in place_labels(points, names, 300, 200)
