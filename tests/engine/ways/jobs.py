"""Jobs of the small federation, and what engines make of them."""

from typing import Any

import numpy as np
import pytest
import torch

from headstart.core import trees
from headstart.core.machine import can_fork
from headstart.core.trees import Tree
from headstart.engine.clients import Clients
from headstart.engine.privates import PrivateStore
from headstart.engine.protocol import Chunk, Failure, Job
from headstart.engine.ways.fleet import Fleet
from headstart.models.model import Model
from headstart.testing import World
from headstart.training.client_data import ClientData

FORKS = pytest.mark.skipif(not can_fork(), reason="this system cannot fork")


WORKERS = Fleet(way="workers", workers=2)


def count(model: Model, shared: Tree, private: Tree, data: ClientData) -> tuple[Tree, Tree]:
    """Number of examples, and the private tree plus one."""
    batch = data.everything(model)
    return {"examples": batch.weights.sum(-1)}, trees.map_tree(lambda value: value + 1, private)


def job_of(world: World, work: Any = count) -> Job:
    clients = [client for client in world.federation.clients if len(client.train)]
    privates = PrivateStore({"position": torch.tensor(0.0)}, len(clients))
    privates.put(np.arange(len(clients)), {"position": torch.arange(len(clients), dtype=torch.float32)})
    return Job(work, world.model, Clients(clients, world.activations), privates, cohort_size=len(clients))


def results_of(engine: Any, world: World, job: Job, positions: Any = None) -> list[Chunk | Failure]:
    """Results, copied out of memory that is used again."""
    everyone = np.arange(len(job.clients.members)) if positions is None else np.array(positions, dtype=np.int64)
    with engine.crew(job) as crew:
        return [
            Chunk(r.positions, tuple(trees.clone(tree) for tree in r.results)) if isinstance(r, Chunk) else r
            for r in crew.map(world.params, everyone, (0, "test"))
        ]
