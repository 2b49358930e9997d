"""How a client trains, and all that a method's file needs: its one door.

A method imports from here and from its own package alone.
"""

from torch import Tensor

from headstart.core import trees
from headstart.core.errors import SettingError, StartError
from headstart.core.progress import Tell
from headstart.core.registry import Scale, UpTo
from headstart.core.seeds import derive, numpy_generator, torch_generator
from headstart.core.task import CLASSES_ONLY, NO_LEAST_SQUARES, Task, TaskKind
from headstart.core.trees import Params, Tree
from headstart.models.batch import Batch
from headstart.models.checkpoints.masked import Texts
from headstart.models.lora import Lora
from headstart.models.losses import loss_of
from headstart.models.model import Model, Trainable, cut_at
from headstart.models.network import Network
from headstart.models.normalization import norm_weights
from headstart.models.registry import new_head
from headstart.models.replay import Replay
from headstart.training.client_data import ClientData, Passes
from headstart.training.descent import descend
from headstart.training.design import as_head, class_sums, head_of, one_hot, present, regressand, with_intercept
from headstart.training.discriminant import class_means, discriminant
from headstart.training.local import LocalTraining
from headstart.training.masked_words import guess_masked_words
from headstart.training.ridge import generalized_cross_validation, relative_penalties, ridge_correction

__all__ = [
    "CLASSES_ONLY",
    "NO_LEAST_SQUARES",
    "Batch",
    "ClientData",
    "LocalTraining",
    "Lora",
    "Model",
    "Network",
    "Params",
    "Passes",
    "Replay",
    "Scale",
    "SettingError",
    "StartError",
    "Task",
    "TaskKind",
    "Tell",
    "Tensor",
    "Texts",
    "Trainable",
    "Tree",
    "UpTo",
    "as_head",
    "class_means",
    "class_sums",
    "cut_at",
    "derive",
    "descend",
    "discriminant",
    "generalized_cross_validation",
    "guess_masked_words",
    "head_of",
    "loss_of",
    "new_head",
    "norm_weights",
    "numpy_generator",
    "one_hot",
    "present",
    "regressand",
    "relative_penalties",
    "ridge_correction",
    "torch_generator",
    "trees",
    "with_intercept",
]
