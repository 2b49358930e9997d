"""The rounds of a stage on disk, so that a server that was killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headstart.core.files import write_json
from headstart.core.trees import Tree, part
from headstart.engine.received import Exclusion, Federated, Traffic
from headstart.models.weights import load, save


@dataclass(frozen=True)
class RoundsFile:
    """One file per stage, written anew after every round; a cut leaves the last round's or this one's.

    Attributes:
        folder: where it lies.
        name: of the stage.
        key: content of the stage: rounds of another one are not taken.
    """

    folder: Path
    name: str
    key: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.name}.safetensors"

    def put(self, now: Federated) -> None:
        """Keep where the server stands."""
        facts = {
            "key": self.key,
            "rounds": now.rounds,
            "traffic": asdict(now.traffic),
            "excluded": [asdict(one) for one in now.excluded],
        }
        tree = {f"shared/{name}": value for name, value in now.shared.items()}
        tree |= {f"state/{name}": value for name, value in now.state.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        save(self.path, {name: value.contiguous() for name, value in tree.items()}, {"facts": json.dumps(facts)})

    def get(self, newcomer: Tree) -> Federated | None:
        """Return where the server stood; None where this stage has no round yet."""
        if not self.path.is_file():
            return None
        tree, metadata = load(self.path)
        facts = json.loads(metadata.get("facts", "{}"))
        if facts.get("key") != self.key:
            return None
        excluded = tuple(Exclusion(**one) for one in facts["excluded"])
        traffic = Traffic(**facts["traffic"])
        return Federated(part(tree, "shared/"), {}, newcomer, traffic, excluded, facts["rounds"], part(tree, "state/"))

    def put_facts(self, facts: Mapping[str, Any]) -> None:
        """Keep the stage's bytes beside it."""
        write_json(self.path.with_suffix(".json"), dict(facts))
