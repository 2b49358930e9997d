"""A study, opened: read → check → open → plan → run → judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from headstart.core.cache import cache_folder, calibrations
from headstart.core.errors import SettingError
from headstart.core.machine import suitable_threads, threads, why_no_fork
from headstart.core.progress import Progress, Silent
from headstart.data.federation import Federation
from headstart.diagnosis import Diagnosis
from headstart.evidence.race import Until
from headstart.evidence.verdict import Verdict
from headstart.models.own import given
from headstart.models.spec import ModelSpec
from headstart.study.checks import check_plan, check_stages, select
from headstart.study.diagnosis import diagnose_lab
from headstart.study.estimate import Branch, estimate
from headstart.study.judging import Judging
from headstart.study.lab import Lab
from headstart.study.lock import only_one
from headstart.study.open import open_lab
from headstart.study.plan import Costs, first_slate, gated, without_references
from headstart.study.run.changes import Fits
from headstart.study.run.computed_on import changed_devices
from headstart.study.run.folder import RunFolder
from headstart.study.run.here import Here
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline, pipeline_of
from headstart.study.run.runner import Runner
from headstart.study.run.tuning import num_trials, trial_arms
from headstart.study.run.work import Work
from headstart.study.spread.begin import hands_for, make_first_starts
from headstart.study.spread.hands import Hands
from headstart.study.spread.local import check_jobs
from headstart.study.written.arms import Arm, tables_of
from headstart.study.written.decided import decided
from headstart.study.written.load import StudyFile, load_study, parse_study
from headstart.study.written.made import as_made
from headstart.study.written.schema import decision_hash, study_hash
from headstart.study.written.slate import Slate


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes:
        verdict: who wins, by how much, how surely.
        stopped: arms that had to stop, with the reason.
        slate: the study's arms, with their costs.
    """

    verdict: Verdict
    stopped: Mapping[str, str]
    slate: Slate


class Study:
    """Arms side by side on one federation, to a verdict.

    A study is made of a federation here, or of a file by :meth:`load`; both go the same way and give the same errors.

    Args:
        federation: clients and central pool.
        arms: to compare; empty for the standard slate.
        name: of the study.
        backbone: a built-in network, a Transformers checkpoint, or a module of your own.
        model: further settings of ``[model]``, such as ``{"head": "fc", "tokenizer": "minilm"}``.
        trainable: where federated stages cut the model in arms that don't start at random.
        seeds: one run of every arm each.
        trials: configurations tried per arm, on validation data; None as in a study file.
        training: defaults of all stages, such as ``{"batch_size": 16}``.
        baseline: the arm that others are compared with; None, here and below, leaves a setting of the decision to
            the run folder that the study goes on in, or to its default.
        metric: what is compared.
        min_effect: the smallest difference that matters.
        confidence: of the intervals, in (0.5, 1).
        clients: of whom the answer speaks: of ``"these"``, or of clients ``"like these"``.
        devices: tables of quantities with units, such as ``{"clinic": {"uplink": "none"}}``.
        until: ``"decided"`` drops what is beaten and stops early; ``"all"`` runs every arm with every seed.
        device: where networks are trained and asked: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; ``"auto"`` takes a card if
            there is one.

    Raises:
        SettingError: a setting breaks a rule; one line per setting, with its path in a study file.

    Attributes:
        file: what was said, checked.
        lab: data, network, engine.
        work: what clients do, here or where their data are.
        slate: arms as chosen, before any device has ruled one out.
        costs: what arms cost.

    >>> Study.load("missing.toml")
    Traceback (most recent call last):
    headstart.core.errors.SettingError: study file: must exist, received 'missing.toml'; check the path
    """

    file: StudyFile
    lab: Lab
    work: Work
    slate: Slate
    costs: Costs

    def __init__(
        self,
        federation: Federation,
        arms: Iterable[Arm] = (),
        *,
        name: str = "study",
        backbone: str | nn.Module = ModelSpec.backbone,
        model: Mapping[str, Any] | None = None,
        trainable: str | int = "head",
        seeds: Sequence[int] = (0, 1, 2, 3, 4),
        trials: int | None = None,
        training: Mapping[str, Any] | None = None,
        baseline: str | None = None,
        metric: str | None = None,
        min_effect: float | None = None,
        confidence: float | None = None,
        clients: str | None = None,
        devices: Mapping[str, Mapping[str, str]] | None = None,
        until: Until = "decided",
        device: str = "auto",
    ) -> None:
        decision = {"baseline": baseline, "metric": metric, "min_effect": min_effect}
        decision |= {"confidence": confidence, "clients": clients}
        own = None if isinstance(backbone, str) else given(backbone)
        table = {
            "name": name,
            "seeds": seeds,
            "data": {"source": f"python:{federation.key}"},
            "model": {"backbone": own.name if own else backbone, "trainable": trainable, **(model or {})},
            "tuning": {"trials": trials},
            "training": training or {},
            "decision": {setting: value for setting, value in decision.items() if value is not None},
            "devices": devices or {},
            "study": {"until": until},
            "engine": {"device": device},
            "arms": tables_of(arms),
        }
        file = parse_study(table, Path(), f'name = "{name}"\n', federation, own, runs_code=True)
        self._fill(file, open_lab(file, federation, calibrated=calibrations(cache_folder())))

    @classmethod
    def load(cls, path: Path | str, *, cache: Path | None = None, progress: Progress | None = None) -> Study:
        """Read, check and open a study file.

        Args:
            path: of the file (TOML).
            cache: folder of what studies can share; None shares nothing.
            progress: told how far long passes over the data are.

        Raises:
            SettingError: a setting breaks a rule; one line per setting.
            DataError: the data cannot be read or break a rule.
        """
        return cls.open(load_study(path, runs_code=True), cache=cache, progress=progress)

    @classmethod
    def open(
        cls,
        file: StudyFile,
        *,
        lab: Lab | None = None,
        work: Work | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
        device: torch.device | None = None,
    ) -> Study:
        """Open a checked study file, its own data or those of a lab, whose clients may be elsewhere.

        Args:
            file: the study.
            lab: data, network and engine; None opens the file's own.
            work: what clients do; None does it here.
            cache: folder of what studies can share; None shares nothing.
            progress: told how far long passes over the data are.
            device: where networks are asked, whatever the file says; None takes what it says.

        Raises:
            SettingError: the file names a device that is not there.
            DataError: the data cannot be read or break a rule.
        """
        study = cls.__new__(cls)
        study._fill(file, lab or open_lab(file, cache=cache, progress=progress, device=device), work)
        return study

    def _fill(self, file: StudyFile, lab: Lab, work: Work | None = None) -> None:
        self.lab, self.work, self.costs = lab, work or Here(), Costs(lab)
        self.file = file = decided(file, lab.federation, is_here=self.work.is_here)
        slate = first_slate(file, lab.federation)
        self.slate = slate if self.work.is_here else without_references(slate)

    def plan(self, out: Path | str) -> Slate:
        """Return the arms that will run, with all costs, and those that a device rules out; trains nothing.

        Args:
            out: run folder; costs that it knows are not measured again.

        Raises:
            SettingError: a stage cannot be at its cut, or an adaptation above weights that are each client's own.
        """
        check_stages(self.slate.arms, self.lab)
        self.costs.read(Path(out) / "costs.json")
        return gated(self.slate, self.costs, self.file.devices)

    def branches(self, slate: Slate, out: Path | str) -> list[Branch]:
        """Return the tree of work, what of it is finished, and about how long the rest takes; trains nothing.

        Args:
            slate: what :meth:`plan` returned.
            out: run folder.
        """
        # More threads than the runs will have would time something else.
        with threads(self._num_threads):
            return estimate(slate, self.in_folder(out)[0].file.settings, self.costs, Path(out))

    def outdated(self, slate: Slate, out: Path | str) -> tuple[str, ...]:
        """Say what :meth:`run` would take over of a run folder's decision, which records it would not use, and why.

        Args:
            slate: what :meth:`plan` returned.
            out: run folder.
        """
        folder, (study, said) = RunFolder(Path(out)), self.in_folder(out)
        settings = study.file.settings.as_json()
        return (*said, *folder.outdated(self.lab.federation, study._fits(slate, folder), settings))

    def run(
        self,
        out: Path | str,
        *,
        arms: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        progress: Progress | None = None,
        page: Callable[[Path], object] | None = None,
        jobs: int = 1,
        cluster: str | None = None,
    ) -> Outcome:
        """Run what is not finished yet until the study is decided, or all of it (``[study] until``), and judge.

        Args:
            out: run folder.
            arms: run these alone, each in full; None runs what the study asks for.
            seeds: likewise.
            progress: told what happens.
            page: given the run folder whenever there is a verdict, so far or at the end, to write what people read.
            jobs: processes that do pieces of the study beside each other, each on its own cores; 1 does all here.
            cluster: a Ray cluster whose workers do them: ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``; None for none.

        Raises:
            SettingError: no verdict can come of it, the folder is in use, or the study cannot be done in pieces, or
                not on that cluster.
            DataError: the folder belongs to a study with another decision rule.
            ClientError: every arm had to stop.
            EngineError: processes die over one piece.
        """
        out, progress = Path(out), progress or Silent()
        check_jobs(jobs, cluster, is_here=self.work.is_here)
        progress.tell("costs of the arms")
        slate = self.plan(out)
        check_plan(slate, self.file.settings, self.lab.federation)
        chosen = select(slate, self.file.settings.seeds, arms, seeds)
        with only_one(out), threads(self._num_threads):
            study, said = self.in_folder(out)
            for line in said:
                progress.warn(line)
            with hands_for(study, out, jobs, cluster, progress) as hands:
                runner = study._prepare(slate, out, progress, hands)
                judging = Judging(study.file, slate, self.slate.arms, self.costs, runner, page)
                verdict = judging.race() if arms is None and seeds is None else judging.some(*chosen)
        return Outcome(verdict, runner.stopped, slate)

    def diagnose(self, out: Path | str, progress: Progress | None = None) -> Diagnosis:
        """Look at the data before any training, write ``diagnosis.json``, run no arm.

        Raises:
            SettingError: the folder is in use, or the clients' examples are elsewhere.
        """
        if not self.work.is_here:
            raise SettingError("diagnose: needs the clients' examples, which are elsewhere; ask them with a probe")
        if not (task := self.lab.federation.task).is_classification:
            raise SettingError(
                f"diagnose: foretells tasks of one class per example, received data.task = '{task.kind}'; run the study"
            )
        out = Path(out)
        with only_one(out), threads(self._num_threads):
            return self.in_folder(out)[0]._diagnose(self.slate, RunFolder(out), progress or Silent())

    def pipeline(self, store: NodeStore, seed: int, progress: Progress) -> Pipeline:
        """Return what runs arms for one seed."""
        return pipeline_of(self.file.settings, self.lab, store, seed, progress.tell, self.work)

    @property
    def _num_threads(self) -> int:
        """PyTorch's threads: those asked for, or what suits the network."""
        return self.file.settings.engine.threads or suitable_threads(self.lab.num_weights)

    def in_folder(self, out: Path | str) -> tuple[Study, tuple[str, ...]]:
        """Return the study as it goes on in a folder, and what it takes over of the folder's decision."""
        study = copy(self)
        study.file, said = as_made(self.file, RunFolder(Path(out)).decision())
        return study, said

    def _prepare(self, slate: Slate, out: Path, progress: Progress, hands: Hands | None = None) -> Runner:
        """Bring the folder to what the study says now, and look at the data before any arm runs."""
        settings, folder = self.file.settings, RunFolder(out, progress.warn)
        fits = self._fits(slate, folder)
        hashes = {"study": study_hash(settings), "decision": decision_hash(settings)}
        now, is_here = settings.as_json(), self.work.is_here
        for line in folder.prepare(self.lab.federation, fits, now, hashes, is_here=is_here):
            progress.warn(line)
        for line in changed_devices(folder.records.all(), self.lab):
            progress.warn(line)
        folder.keep_text(self.file.text, self.file.folder)
        if settings.engine.way == "workers" and (why := why_no_fork()):
            progress.warn(f'engine.way = "workers" clones this process, and {why}: clients train one after another')
        if settings.tuning.trials is None and num_trials(None, self.lab.federation) == 1:
            progress.warn("no client has validation data, so that no arm is tuned: each runs as it is written")
        runner = Runner(
            settings=settings,
            lab=self.lab,
            trials=fits.trials,
            costs=slate.costs,
            hashes=hashes,
            folder=folder,
            progress=progress,
            work=self.work,
            hands=hands,
        )
        if is_here:
            make_first_starts(runner, slate.arms)
        if not (out / "diagnosis.json").exists():
            progress.tell("diagnosis")
            first = self.pipeline(folder.store, settings.seeds[0], progress)
            folder.write("diagnosis.json", self.work.diagnose(first, slate.arms, settings.decision))
        return runner

    def _fits(self, slate: Slate, folder: RunFolder) -> Fits:
        """Return what tells records of this study from others."""
        settings = self.file.settings
        count = num_trials(settings.tuning.trials, self.lab.federation)
        trials = {arm.name: trial_arms(arm, count, settings.tuning.seed) for arm in slate.arms}
        pipeline = cache(lambda seed: self.pipeline(folder.store, seed, Silent()))
        return Fits(trials, pipeline, settings.seeds)

    def _diagnose(self, slate: Slate, folder: RunFolder, progress: Progress) -> Diagnosis:
        progress.tell("diagnosis")
        pipeline = self.pipeline(folder.store, self.file.settings.seeds[0], progress)
        found = diagnose_lab(self.lab, pipeline, slate.arms, self.file.settings.decision)
        folder.write("diagnosis.json", found.as_json())
        return found
