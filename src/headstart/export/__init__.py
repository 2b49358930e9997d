"""From a finished arm to a bundle for small devices: the frozen part as ONNX, the head, settings, hashes."""

from headstart.export.bundle import Exported, export_arm

__all__ = ["Exported", "export_arm"]
