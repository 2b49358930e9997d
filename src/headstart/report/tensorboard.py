"""Optional logging for TensorBoard: learning curves and final metrics of every run."""

from __future__ import annotations

from pathlib import Path

from headstart.core.errors import require
from headstart.core.files import file_name, read_json_lines


def check_installed() -> None:
    """Refuse early when TensorBoard is not installed.

    Raises:
        MissingExtra: with the line that installs it.
    """
    require("tensorboard", "tensorboard")


def log_records(records: Path, folder: Path) -> None:
    """Write every record's curve and metrics as scalars, one folder per arm and seed."""
    writer_class = require("torch.utils.tensorboard", "tensorboard").SummaryWriter
    for record in read_json_lines(records):
        with writer_class(str(folder / file_name(f"{record['arm']}-{record['seed']}"))) as writer:
            for step, point in enumerate(record["curve"]):
                for name in ("val_loss", "val_accuracy", "val_score", "bytes"):
                    if point[name] is not None:
                        writer.add_scalar(f"curve/{name}", point[name], step)
            for name, value in record["metrics"].items():
                if value is not None:
                    writer.add_scalar(f"test/{name}", value, 0)
