"""A network of a bundle reads no other file."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from handmade import SIDE, WIDTH, seal
from headstart_edge import EdgeError, open_bundle
from headstart_edge.features import open_backbone


def _external(location: str, where: str) -> Any:
    """Make a network one of whose tensors lies in another file."""
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[SIDE * SIDE, WIDTH])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    nodes = [
        helper.make_node("Cast", ["inputs"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
    ]
    if where == "constant":
        nodes.append(helper.make_node("Constant", [], ["weight"], value=tensor))
    nodes.append(helper.make_node("MatMul", ["flat", "weight"], ["features"]))
    if where == "branch":
        inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("weight", 1, None)], [tensor])
        nodes.insert(0, helper.make_node("If", ["yes"], ["w"], then_branch=inner, else_branch=inner))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", WIDTH])],
        [tensor] if where == "initializer" else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
@pytest.mark.parametrize("location", ["weights.bin", "../secret.bin", "/etc/passwd", "head.safetensors", "state/w"])
def test_a_network_that_reads_another_file_is_refused(bundle: Path, location: str, where: str) -> None:
    (bundle / "backbone.onnx").write_bytes(_external(location, where).SerializeToString())
    seal(bundle)
    if location in ("weights.bin", "../secret.bin", "state/w"):
        (bundle / location).parent.mkdir(exist_ok=True)
        (bundle / location).write_bytes(np.zeros((SIDE * SIDE, WIDTH), np.float32).tobytes())
    opened = open_bundle(bundle)
    with pytest.raises(EdgeError, match="refers to a file outside the manifest; refused"):
        open_backbone(opened)


def test_a_network_changed_after_the_check_is_refused(bundle: Path) -> None:
    opened = open_bundle(bundle)
    (bundle / "backbone.onnx").write_bytes(_external("/etc/passwd", "initializer").SerializeToString())
    with pytest.raises(EdgeError, match=r"^backbone\.onnx: must be the file that the manifest lists"):
        open_backbone(opened)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_whatever_the_network_it_is_an_error_of_one_line(raw: bytes) -> None:
    from headstart_edge.network import check_network

    with contextlib.suppress(EdgeError):
        check_network(raw, "backbone.onnx")
