"""Where a probe begins: a start whose features are good, which all sites hold."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.core.errors import SettingError
from headstart.models.spec import is_bare
from headstart.sites.server import Server
from headstart.sites.work import AtSites, Begun
from headstart.study.diagnosis import good_starts
from headstart.study.plan import first_slate
from headstart.study.run.nodes import NodeStore
from headstart.study.run.pipeline import Pipeline, pipeline_of
from headstart.study.written.arms import Arm, Stage


def send_start(server: Server) -> Begun:
    """Send every site the first start of the study's arms, or of the standard slate, that knows something.

    Raises:
        SettingError: there is none.
    """
    settings, store = server.file.settings, NodeStore(server.out)
    pipeline = pipeline_of(settings, server.lab, store, settings.seeds[0], server.tell)
    arms = first_slate(server.file, server.lab.federation).arms
    found = first_start(pipeline, arms)
    if found is None:
        raise SettingError(
            "probe: goes through features that are good already, received a backbone without trained weights and no "
            "labelled central pool; set model.backbone to a checkpoint, or add [data.central]"
        )
    return AtSites(server).start(pipeline, found)


def first_start(pipeline: Pipeline, arms: Sequence[Arm]) -> Stage | None:
    """Return the first start that knows something; of a network that is nothing but a head the inputs are good."""
    inputs = Stage("start", "random") if is_bare(pipeline.lab.spec) else None
    return next(filter(None, good_starts(pipeline.lab, arms)), inputs)
