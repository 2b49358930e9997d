"""What a stranger may try with a bundle or with a device's files: each attempt is refused in one line."""

import contextlib
import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from handmade import CLASSES, SIDE, WIDTH, make_bundle, seal, write_data
from headstart_edge import EdgeError, cli, evaluate, finetune, load_state, open_bundle, open_data, reset, tensors
from headstart_edge.features import open_backbone
from headstart_edge.state import FILE


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def plant(bundle: Path, **facts: str) -> Path:
    """Write a state that belongs to the bundle by its manifest, as anybody can who has the bundle."""
    head = {"head.weight": np.full((len(CLASSES), WIDTH), 9, np.float32), "head.bias": np.zeros(3, np.float32)}
    (bundle / "state").mkdir(exist_ok=True)
    tensors.write(bundle / "state" / FILE, head, {"manifest": open_bundle(bundle).key, **facts})
    return bundle / "state" / FILE


@pytest.mark.parametrize("has_key", [False, True])
def test_a_planted_head_is_refused_and_reset_mends_it(bundle: Path, tmp_path: Path, has_key: bool) -> None:
    opened, data = open_bundle(bundle), open_data(write_data(tmp_path / "data", 60), open_bundle(bundle))
    before = evaluate(opened, data)
    if has_key:
        finetune(opened, data)
    plant(bundle, seal="0" * 64, examples="1000")
    for use in (lambda: evaluate(opened, data), lambda: finetune(opened, data), lambda: load_state(opened)):
        with pytest.raises(
            EdgeError, match=r"^adapted\.safetensors: must be what this device has learnt, received one"
        ):
            use()
    assert reset(opened)
    assert evaluate(opened, data) == before


@pytest.mark.parametrize("name", ["unfinished.safetensors", FILE])
@pytest.mark.parametrize("place", np.linspace(0, 1, 12, endpoint=False).round(2))
def test_a_state_with_a_flipped_bit_is_refused(bundle: Path, tmp_path: Path, name: str, place: float) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    path = bundle / "state" / name
    raw = bytearray((bundle / "state" / FILE).read_bytes())
    raw[int(place * len(raw))] ^= 1
    path.write_bytes(raw)
    with pytest.raises(EdgeError, match=rf"^{name}: must be"):
        load_state(opened, name=name)


def test_another_devices_state_is_refused(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    assert load_state(opened) is not None
    (tmp_path / "device" / "device.key").unlink()
    finetune(opened, open_data(tmp_path / "data", opened), state=tmp_path / "elsewhere")
    with pytest.raises(EdgeError, match="received one without its seal"):
        load_state(opened)


def test_the_key_is_the_users_alone(bundle: Path, tmp_path: Path, device: Path) -> None:
    opened = open_bundle(bundle)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    key = device / "device.key"
    assert (key.stat().st_mode & 0o777, device.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 0o700, 32)
    key.chmod(0o644)
    with pytest.raises(EdgeError, match=r"^device key: must be a file of 32 bytes that this user alone may read"):
        load_state(opened)
    key.chmod(0o600)
    key.rename(device / "real")
    key.symlink_to(device / "real")
    with pytest.raises(EdgeError, match="device key: "):
        load_state(opened)
    key.unlink()
    key.write_bytes(b"short")
    with pytest.raises(EdgeError, match="device key: "):
        load_state(opened)


def test_a_huge_state_is_not_read(bundle: Path) -> None:
    with plant(bundle).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(EdgeError, match=r"must be at most \d+ bytes, received 1099511627776; refused"):
        load_state(open_bundle(bundle))


@pytest.mark.parametrize("name", ["manifest.json", "settings.json", "backbone.onnx", "state", "more.txt"])
def test_a_link_in_a_bundle_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "outside"
    if (bundle / name).exists():
        (bundle / name).rename(target)
    (bundle / name).symlink_to(target)
    with pytest.raises(EdgeError, match=rf"^{name}: must be a file of the bundle, received a link; refused"):
        open_bundle(bundle)


def test_a_pipe_in_the_place_of_a_file_is_refused(bundle: Path) -> None:
    (bundle / "settings.json").unlink()
    os.mkfifo(bundle / "settings.json")
    with pytest.raises(EdgeError, match=r"^settings\.json: must be a file of the bundle"):
        open_bundle(bundle)


def test_links_where_the_device_writes_are_not_followed(bundle: Path, tmp_path: Path) -> None:
    opened, victim = open_bundle(bundle), tmp_path / "victim"
    victim.write_text("mine")
    (bundle / "state").mkdir()
    for name in (f".{FILE}.{os.getpid()}.tmp", f".features.{os.getpid()}", FILE):
        (bundle / "state" / name).symlink_to(victim)
    with pytest.raises(EdgeError, match=r"^adapted\.safetensors: must be what this device has learnt, received a link"):
        load_state(opened)
    assert reset(opened)
    finetune(opened, open_data(write_data(tmp_path / "data", 60), opened))
    assert victim.read_text() == "mine"


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
    data = np.zeros((SIDE * SIDE, WIDTH), np.float32).tobytes()
    if not location.startswith("/") and location != "head.safetensors":
        (bundle / location).parent.mkdir(exist_ok=True)
        (bundle / location).write_bytes(data)
    (bundle / "backbone.onnx").write_bytes(_external(location, where).SerializeToString())
    for extra in bundle.glob("weights.bin"):
        extra.rename(bundle.parent / "w")
    opened = open_bundle(seal(bundle))
    with pytest.raises(EdgeError, match="refers to a file outside the manifest; refused"):
        open_backbone(opened)


def test_a_file_that_the_manifest_does_not_know_is_not_read(bundle: Path) -> None:
    (bundle / "weights.bin").write_bytes(b"x")
    with pytest.raises(EdgeError, match="may list only"):
        open_bundle(seal(bundle))


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


def test_tensors_that_share_bytes_are_refused() -> None:
    entry = {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}
    header = json.dumps({f"t{i}": entry for i in range(1000)}).encode()
    with pytest.raises(EdgeError, match="4000000 bytes of tensors in 4000"):
        tensors.read(struct.pack("<Q", len(header)) + header + bytes(4000), "head.safetensors")


@pytest.mark.parametrize("shape", [[2**32, 2**32], [2**62, 4], [10**30]])
def test_a_shape_that_overflows_is_refused(shape: list[int]) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    with pytest.raises(EdgeError, match=r"must be a whole safetensors file"):
        tensors.read(struct.pack("<Q", len(header)) + header, "head.safetensors")


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
        if opened.settings["adapt"].get("epochs", 0) < 50:
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


def _png(width: int, height: int) -> bytes:
    """Make a PNG that says so many pixels, all of them black, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(min(width * height, 10**7)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (40_000, 40_000), (2**31 - 1, 1)])
def test_a_picture_of_very_many_pixels_is_not_decoded(bundle: Path, tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(_png(width, height))
    opened = open_bundle(bundle)
    with pytest.raises(EdgeError, match=r"^a\.png: must be a picture"):
        evaluate(opened, open_data(tmp_path / "data", opened))


def test_postscript_called_a_picture_starts_no_program(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\nshowpage\n")
    opened = open_bundle(bundle)
    with pytest.raises(
        EdgeError, match=r"^a\.png: must be a picture, received a file that cannot be read \(no picture"
    ):
        evaluate(opened, open_data(tmp_path / "data", opened))


def _npy(shape: str, dtype: str = "|u1") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros((2000, 2000)))
    return file.getvalue()


@pytest.mark.parametrize("name", ["cat/a.npy", "inputs.npy"])
@pytest.mark.parametrize(
    "raw",
    [
        *(_npy("(1000000000000,)"), _npy("(4294967296, 4294967296)"), _npy("(-1,)"), _npy("(1" * 90 + ",)")),
        *(_npy("(4, 4)", "|O"), _npz(), b"\x93NUMPY\x09\x00", b""),
    ],
    ids=["terabytes", "overflow", "negative", "deep", "objects", "zip", "version", "empty"],
)
def test_an_array_that_lies_is_not_read(bundle: Path, tmp_path: Path, raw: bytes, name: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    opened = open_bundle(bundle)
    with pytest.raises(EdgeError, match=r"must be an array that NumPy saved") as error:
        evaluate(opened, open_data(tmp_path / "data", opened))
    assert "\n" not in str(error.value)


def test_nothing_in_a_name_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    said = json.loads((bundle / "settings.json").read_text())
    said["labels"] = ["cat\x1b[2J", "dog\x1b]0;gone\x07", "bird\u202e"]
    (bundle / "settings.json").write_text(json.dumps(said))
    seal(bundle)
    write_data(tmp_path / "data", 9)
    folder = tmp_path / "pictures" / "x\x1b[31m"
    folder.mkdir(parents=True)
    np.save(folder / "a.npy", np.zeros((SIDE, SIDE), np.uint8))
    commands: list[Callable[[], int]] = [
        lambda: cli.main(["info", str(bundle)]),
        lambda: cli.main(["predict", str(bundle), str(tmp_path / "data")]),
        lambda: cli.main(["predict", str(bundle), str(tmp_path / "pictures")]),
        lambda: cli.main(["info", str(tmp_path / "no\x1b[2J")]),
    ]
    assert [command() for command in commands] == [0, 0, 2, 2]
    told = "".join(capsys.readouterr())
    assert not {"\x1b", "\x07", "\u202e"} & set(told)
    assert "cat\ufffd[2J\t" in told
