"""A network of the user's own, trained before, leaves a study under its own names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import own_networks as networks
from headstart import Arm, Study, from_arrays
from headstart.export.formats import export_model
from headstart.export.leaving import check_leaves, take_out
from headstart.export.opened import open_run

ROWS = 60


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, ROWS)
    inputs = draw.integers(0, 200, (ROWS, 28, 28)) + 50 * labels[:, None, None]
    federation = from_arrays(inputs.astype(np.uint8), labels, clients=np.arange(ROWS) % 3)
    module = networks.SmallCnn(10)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(3)  # further than PyTorch draws new ones
    probe = {"method": "linear_probe", "epochs": 2, "accept": False}
    arms = [Arm("ridge", start="pretrained", federate="ridge"), Arm("probe", start="pretrained", adapt=probe)]
    study = Study(federation, arms, backbone=module, seeds=(0,), trials=1, baseline="probe")
    run = tmp_path_factory.mktemp("own") / "run"
    study.run(run)
    return run, study


@pytest.mark.parametrize(("arm", "client"), [("ridge", None), ("probe", "0")])
def test_weights_load_into_the_users_own_class(
    finished: tuple[Path, Study], tmp_path: Path, arm: str, client: str | None
) -> None:
    run, study = finished
    export_model(run, arm, "state_dict", tmp_path / "out", client=client, study=study)
    module = networks.SmallCnn(2).eval()
    module.load_state_dict(torch.load(tmp_path / "out/model.pth", weights_only=True), strict=True)
    inputs = torch.from_numpy(study.lab.federation.examples.inputs).float() / 255
    found = module((inputs - 0.5) / 0.5).exp()
    leaving = take_out(open_run(run, arm, 0, study, check=check_leaves), client)
    assert leaving.spec.trained
    expected = leaving.module()(torch.from_numpy(study.lab.federation.examples.inputs))
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=0)
