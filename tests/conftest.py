import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from headstart.core.device import rounding
from headstart.models import ModelSpec, build
from pretend_card import pretend_card
from tiny_networks import CASES, CHECKPOINTS, Built, Case, look_trained, raw_inputs

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests' activations out of the user's cache, and the user's out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Let writes return before the disk has them: a process that is killed loses nothing by that, a machine might."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import transformers

    folder = tmp_path_factory.mktemp("checkpoints")
    transformers.logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, (model, config, settings) in CHECKPOINTS.items():
            saved = getattr(transformers, model)(getattr(transformers, config)(**settings))
            look_trained(saved)
            saved.save_pretrained(folder / name)
    return {name: folder / name for name in CHECKPOINTS}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def built(request: pytest.FixtureRequest) -> Built:
    case: Case = request.param
    name = case.backbone
    if name in CHECKPOINTS:
        name = str(request.getfixturevalue("checkpoints")[name])
    network, params = build(
        ModelSpec(backbone=name), shape=case.shape, num_classes=3, from_scratch=case.from_scratch, seed=1
    )
    return Built(network, params, raw_inputs(case.shape), torch.tensor([0, 1, 2, 0]))


@pytest.fixture
def weights_folder() -> Path:
    if "HEADSTART_WEIGHTS" not in os.environ:
        pytest.skip("HEADSTART_WEIGHTS is unset: no folder of trained checkpoints")
    return Path(os.environ["HEADSTART_WEIGHTS"])


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of files from the field."""
    if "HEADSTART_CASES" not in os.environ:
        pytest.skip("HEADSTART_CASES names no folder of cases")
    return Path(os.environ["HEADSTART_CASES"])


@pytest.fixture
def card() -> Iterator[torch.device]:
    """A graphics card: one that is there, or one that pretends."""
    if torch.cuda.is_available():
        device = torch.device("cuda", 0)
        with rounding(device, "float32"):  # as whatever runs a study does
            yield device
        return
    with pretend_card() as device:
        yield device
