"""A plan: a study ready to run, with the costs of its arms, and without those that no device can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np

from headstart.core.content import hash_json
from headstart.core.machine import suitable_threads
from headstart.core.progress import Progress
from headstart.core.version import __version__
from headstart.costs.arm import ArmCosts, Population, arm_costs
from headstart.costs.devices import DeviceProfile
from headstart.costs.gate import rule_out
from headstart.study.lab import Lab
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline
from headstart.study.run.tuning import trial_arms
from headstart.study.written.arms import ArmSpec, build_stage
from headstart.study.written.schema import StudySettings, decision_hash, study_hash


@dataclass(frozen=True)
class Plan:
    """A study ready to run.

    Attributes:
        settings: the study file's tables.
        lab: data, network, engine.
        arms: to run, in order.
        ruled_out: arms that are not run, with the reason.
        devices: that the clients have.
        text: of the study file.
        refused: arms that a device rules out; they have costs, but don't run.
        known_costs: costs by content, filled as they are measured.
    """

    settings: StudySettings
    lab: Lab
    arms: tuple[ArmSpec, ...]
    ruled_out: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[DeviceProfile, ...] = ()
    text: str = ""
    refused: tuple[ArmSpec, ...] = ()
    known_costs: dict[str, ArmCosts] = field(default_factory=dict)

    @property
    def costs(self) -> dict[str, ArmCosts]:
        """Costs of every arm, those that a device rules out too."""
        return {arm.name: self.cost_of(arm) for arm in (*self.arms, *self.refused)}

    @cached_property
    def population(self) -> Population:
        """The clients, as far as costs depend on them."""
        sizes = [len(client.train) for client in self.lab.federation.seen_clients]
        return Population(self.lab.activations.typical(), len(sizes), max(1, round(float(np.mean(sizes)))))

    @property
    def num_threads(self) -> int:
        """PyTorch's threads: those asked for, or what suits the network."""
        return self.settings.engine.threads or suitable_threads(self.lab.num_weights)

    def cost_of(self, arm: ArmSpec) -> ArmCosts:
        """Return the costs of one arm, from a dry run of one client, done once."""
        population = self.population
        sizes = [population.num_clients, population.num_examples, list(population.raw.shape)]
        key = hash_json([__version__, asdict(self.lab.spec), str(self.lab.dtype), sizes, arm.as_json()])
        if key not in self.known_costs:
            self.known_costs[key] = self._measure(arm)
        return self.known_costs[key]

    def _measure(self, arm: ArmSpec) -> ArmCosts:
        start = build_stage("start", arm.start)
        classes = self.lab.federation.num_classes
        network, weights = self.lab.build(0, from_scratch=start.from_scratch, num_classes=classes)
        federate = [build_stage("federate", stage) for stage in arm.federate]
        adapt = build_stage("adapt", arm.adapt)
        sends_weights = arm.start.method != "random"
        return arm_costs(network, weights, federate, adapt, self.population, sends_weights=sends_weights)

    def gated(self) -> Plan:
        """Take out the arms that a device cannot run."""
        if not self.devices:
            return self
        reasons = rule_out(self.costs, self.devices, self.oracles)
        arms = tuple(arm for arm in self.arms if arm.name not in reasons)
        refused = tuple(arm for arm in self.arms if arm.name in reasons)
        return replace(self, arms=arms, refused=refused, ruled_out={**self.ruled_out, **reasons})

    @property
    def oracles(self) -> frozenset[str]:
        """Arms that pool the clients' data, which no real federation can."""
        return frozenset(arm.name for arm in self.arms if any(stage.method == "pooled" for stage in arm.federate))

    @property
    def hashes(self) -> dict[str, str]:
        """What every record carries."""
        return {"study": study_hash(self.settings), "decision": decision_hash(self.settings)}

    def pipeline(self, store: NodeStore, seed: int, progress: Progress) -> Pipeline:
        """Return the pipeline of one seed."""
        settings = self.settings
        return Pipeline(
            self.lab,
            store,
            seed,
            settings.decision.metric,
            settings.engine.max_bad_clients,
            settings.evaluation.eval_every,
            progress.tell,
        )

    def trials(self, arm: ArmSpec) -> list[ArmSpec]:
        """Return the configurations that are tried for an arm."""
        return trial_arms(arm, self.settings.tuning.trials, self.settings.tuning.seed)
