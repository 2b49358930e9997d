"""What one pass of frozen features says before any training: skew, shift, transfer, and what sharing should gain."""

from headstart.diagnosis.diagnose import Diagnosis, diagnose
from headstart.diagnosis.predict import FITTED, Coefficients, Fit, Prediction, predict
from headstart.diagnosis.signals import Signals

__all__ = ["FITTED", "Coefficients", "Diagnosis", "Fit", "Prediction", "Signals", "diagnose", "predict"]
