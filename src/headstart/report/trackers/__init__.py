"""Runs in trackers of experiments: TensorBoard, MLflow, Weights & Biases; each an extra, nothing leaves unasked."""

from headstart.report.trackers.choice import TRACKERS, Choice, chosen

__all__ = ["TRACKERS", "Choice", "chosen"]
