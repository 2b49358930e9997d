"""Fine-tune the head of a pre-trained model on a small device that sends nothing."""

from headstart_edge.bundle import Bundle, open_bundle
from headstart_edge.data import open_data
from headstart_edge.errors import EdgeError
from headstart_edge.finetune import Budget, finetune
from headstart_edge.predict import evaluate, predict
from headstart_edge.state import State, load_state, reset

__all__ = [
    "Budget",
    "Bundle",
    "EdgeError",
    "State",
    "evaluate",
    "finetune",
    "load_state",
    "open_bundle",
    "open_data",
    "predict",
    "reset",
]
