"""How a client trains, and all that a method's file needs: its one door.

A method imports from here and from its own package alone.
"""

from torch import Tensor

from headstart.core import trees
from headstart.core.errors import SettingError, StartError
from headstart.core.progress import Tell
from headstart.core.registry import Scale, UpTo
from headstart.core.seeds import derive, numpy_generator, torch_generator
from headstart.core.task import CLASSES_ONLY, NO_LEAST_SQUARES, Task, TaskKind, classification
from headstart.core.trees import Params, Tree
from headstart.data.examples import InputKind
from headstart.models.batch import Batch
from headstart.models.checkpoints.masked import Texts
from headstart.models.cut import Trainable
from headstart.models.lora import Lora
from headstart.models.losses import Entropy, loss_of
from headstart.models.model import Model, cut_at
from headstart.models.network import Network
from headstart.models.normalization import norm_weights
from headstart.models.registry import new_head
from headstart.models.replay import Replay
from headstart.training.augment import Augment, augmented, num_draws
from headstart.training.client_data import ClientData, Passes
from headstart.training.collaboration import ClientSums, best_groups
from headstart.training.descent import descend, gradient_of
from headstart.training.design import as_head, class_sums, head_of, one_hot, present, regressand, with_intercept
from headstart.training.discriminant import class_means, discriminant
from headstart.training.fractals import draw_pictures, draw_system
from headstart.training.gaussians import Gaussians
from headstart.training.local import LocalTraining
from headstart.training.losses import training_losses
from headstart.training.made_data import MadePictures
from headstart.training.masked_words import guess_masked_words
from headstart.training.norms import batch_norms, with_own_statistics
from headstart.training.ridge import (
    generalized_cross_validation,
    own_ridge,
    relative_penalties,
    ridge_correction,
    ridge_of_sums,
    softmax_scale,
)
from headstart.training.siamese import is_siamese, new_siamese, siamese_loss

__all__ = [
    "CLASSES_ONLY",
    "NO_LEAST_SQUARES",
    "Augment",
    "Batch",
    "ClientData",
    "ClientSums",
    "Entropy",
    "Gaussians",
    "InputKind",
    "LocalTraining",
    "Lora",
    "MadePictures",
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
    "augmented",
    "batch_norms",
    "best_groups",
    "class_means",
    "class_sums",
    "classification",
    "cut_at",
    "derive",
    "descend",
    "discriminant",
    "draw_pictures",
    "draw_system",
    "generalized_cross_validation",
    "gradient_of",
    "guess_masked_words",
    "head_of",
    "is_siamese",
    "loss_of",
    "new_head",
    "new_siamese",
    "norm_weights",
    "num_draws",
    "numpy_generator",
    "one_hot",
    "own_ridge",
    "present",
    "regressand",
    "relative_penalties",
    "ridge_correction",
    "ridge_of_sums",
    "siamese_loss",
    "softmax_scale",
    "torch_generator",
    "training_losses",
    "trees",
    "with_intercept",
    "with_own_statistics",
]
