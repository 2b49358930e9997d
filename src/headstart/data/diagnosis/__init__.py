"""What one pass of frozen features says before any training: skew, shift, transfer, ceiling, a prediction."""

from headstart.data.diagnosis.diagnose import Diagnosis, diagnose
from headstart.data.diagnosis.predict import STANDARD_SLATE, Prediction, predict
from headstart.data.diagnosis.signals import Signals

__all__ = ["STANDARD_SLATE", "Diagnosis", "Prediction", "Signals", "diagnose", "predict"]
