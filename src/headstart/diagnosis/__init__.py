"""What one pass of frozen features says before any training: skew, shift, transfer, ceiling, a prediction."""

from headstart.diagnosis.diagnose import Diagnosis, diagnose
from headstart.diagnosis.predict import STANDARD_SLATE, Prediction, predict
from headstart.diagnosis.signals import Signals

__all__ = ["STANDARD_SLATE", "Diagnosis", "Prediction", "Signals", "diagnose", "predict"]
