"""From a finished arm to what leaves: a model in formats of other tools, or a bundle for small devices."""

from headstart.export.bundle import Exported, export_arm
from headstart.export.formats import FORMATS, Written, export_model
from headstart.export.opened import recommended_arm

__all__ = ["FORMATS", "Exported", "Written", "export_arm", "export_model", "recommended_arm"]
