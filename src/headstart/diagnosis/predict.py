"""From a diagnosis to the arm that should win, by a table of rules that each cite what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from headstart.diagnosis import reasons
from headstart.diagnosis.signals import Signals

STANDARD_SLATE = (
    "zero-shot",
    "local",
    "pooled",
    "pooled-personal",
    "finetune-head",
    "finetune-lp-ft",
    "finetune-full",
    "local-ridge",
    "local-lda",
    "fedavg",
    "fedavg-pretrained",
    "fedadam-pretrained",
    "fedavg-finetune",
    "ridge",
    "ridge-personal",
    "ridge-fedadam",
)


@dataclass(frozen=True)
class _Rule:
    """When it applies, it says why and which arms to expect, the likeliest first.

    Attributes:
        source: the paper and its finding.
        applies: whether the signals call for it.
        reason: a plain sentence with the numbers that triggered it.
        pretrained: arms to expect with a pre-trained backbone; none for a rule that only explains.
        scratch: arms to expect without one.
    """

    source: str
    applies: Callable[[Signals], bool]
    reason: Callable[[Signals], str]
    pretrained: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """The arm that should win.

    Attributes:
        winner: name of an arm of the standard slate; None when none of the expected arms is allowed.
        reasons: plain sentences with the numbers behind it, the deciding one first.
        rules: the source of each reason, in the same order.
    """

    winner: str | None
    reasons: tuple[str, ...]
    rules: tuple[str, ...]


def predict(signals: Signals, arms: Collection[str] = STANDARD_SLATE) -> Prediction:
    """Predict the winner: the first deciding rule that applies names it, explaining rules add their reasons.

    Args:
        signals: of the diagnosis.
        arms: names that may win, such as those that no device rules out.
    """
    deciding = next(rule for rule in DECIDING if rule.applies(signals))
    applied = [deciding, *(rule for rule in EXPLAINING if rule.applies(signals))]
    expected = deciding.pretrained if signals.pretrained else deciding.scratch
    winner = next((arm for arm in expected if arm in arms), None)
    return Prediction(winner, tuple(rule.reason(signals) for rule in applied), tuple(rule.source for rule in applied))


_FLAMBY = (
    "FLamby (Ogier du Terrail et al., NeurIPS 2022): on the data sets where local training clearly beats "
    "FedAvg, pooling all data adds only .008 to .063"
)
_FED3R = "Fed3R (Fanì et al., ICML 2024): at 13 examples per client a closed-form head beats FedAvg, about 45 to 38"
_MOTLEY = (
    "Motley (Wu et al. 2022): FedAvg + fine-tuning is better than local training and than FedAvg on 5 of 5 data sets"
)

# The first that applies decides; the last always applies.
DECIDING = (
    _Rule(
        "pFedMoAP (ICLR 2025), table 1: with few examples zero-shot beats local prompt tuning on 2 of 5 data sets",
        lambda signals: signals.too_few,
        reasons.too_few,
        pretrained=("zero-shot", "ridge", "ridge-personal", "finetune-head"),
        scratch=("ridge", "ridge-personal", "local"),
    ),
    _Rule(
        "Sorkhei et al. (2025): accuracy on frozen features is the best single predictor of a backbone's "
        "use; Nguyen et al. (ICLR 2023): federated training of the whole network from a pre-trained start",
        lambda signals: signals.no_signal,
        reasons.no_signal,
        pretrained=("fedavg-finetune", "fedadam-pretrained", "fedavg-pretrained", "finetune-full"),
        scratch=("fedavg-finetune", "fedavg", "local"),
    ),
    _Rule(
        _MOTLEY,
        lambda signals: signals.no_validation,
        reasons.no_validation,
        pretrained=("fedavg-finetune", "ridge-personal", "finetune-lp-ft", "finetune-head"),
        scratch=("fedavg-finetune", "ridge-personal", "fedavg", "local"),
    ),
    _Rule(
        _FLAMBY,
        lambda signals: not signals.sharing_pays and signals.small,
        reasons.alone,
        pretrained=("finetune-head", "finetune-lp-ft", "finetune-full"),
        scratch=("local", "ridge-personal"),
    ),
    _Rule(
        f"{_FLAMBY}; Kumar et al. (ICLR 2022): train the head first, then the network",
        lambda signals: not signals.sharing_pays,
        reasons.alone,
        pretrained=("finetune-lp-ft", "finetune-full", "finetune-head"),
        scratch=("local", "ridge-personal"),
    ),
    _Rule(
        f"{_FED3R}; RTFA (Cheng et al. 2021): pull each client's head towards the shared one",
        lambda signals: signals.personalization_pays and signals.small,
        reasons.both,
        pretrained=("ridge-personal", "fedavg-finetune", "finetune-head"),
        scratch=("ridge-personal", "fedavg-finetune", "local"),
    ),
    _Rule(
        f"{_MOTLEY}; FedFN's repository: in 6 of 6 settings of CIFAR-100",
        lambda signals: signals.personalization_pays,
        reasons.both,
        pretrained=("fedavg-finetune", "ridge-personal", "finetune-lp-ft"),
        scratch=("fedavg-finetune", "ridge-personal", "local"),
    ),
    _Rule(
        _FED3R,
        lambda signals: signals.small,
        reasons.shared,
        pretrained=("ridge", "ridge-personal", "ridge-fedadam", "fedadam-pretrained"),
        scratch=("ridge", "ridge-personal", "fedavg", "local"),
    ),
    _Rule(
        "FedCOF (Goswami et al., NeurIPS 2025): a closed-form head before FedAdam gains 2.5 to 9.3 points",
        lambda _signals: True,
        reasons.shared,
        pretrained=("ridge-fedadam", "fedadam-pretrained", "fedavg-finetune", "ridge", "finetune-lp-ft"),
        scratch=("ridge", "fedavg", "fedavg-finetune", "local"),
    ),
)

EXPLAINING = (
    _Rule(
        "FedFN's repository: local training beats plain FedAvg only under strong label skew (58.6 to 36.6 "
        "with 10 of 100 classes per client)",
        lambda signals: signals.skewed,
        reasons.skewed,
    ),
    _Rule(
        "pFedMoAP (ICLR 2025), table 3: under feature and label shift local tuning beats FedAvg, 37.0 to "
        "24.5 on DomainNet",
        lambda signals: signals.shifted,
        reasons.shifted,
    ),
    _Rule(
        "FedCOF (Goswami et al., NeurIPS 2025): FedAvg reaches 84.7 pre-trained and 37.3 from random "
        "weights (CIFAR-10)",
        lambda signals: signals.pretrained and signals.ridge_accuracy > signals.majority + 0.1,
        reasons.good_backbone,
    ),
)
