"""The words of the page: each term in one line."""

from __future__ import annotations

GLOSSARY: dict[str, str] = {
    "arm": "One way to train: where weights start, what is learned together, what each client does alone.",
    "client": "One holder of data, such as a hospital or a phone; its data never leaves it.",
    "race": "Running arms so that an answer comes soon: validation data drop arms, the test decides at a few looks.",
    "look": "A moment at which the test may decide; each may spend its share of the error that is allowed.",
    "baseline": "The arm that the others are compared with, named before anything ran.",
    "mean": "The average over clients, each counting the same however much data it has.",
    "interval": "Where the true value plausibly lies, given that test examples (or clients) and seeds are a sample.",
    "family": "What an arm does: fine-tune alone, federate (learn together), or both.",
    "min_effect": "The smallest difference that matters, named before anything ran.",
    "worst decile": "The level that nine clients in ten reach or exceed.",
    "held-out clients": "Clients that took no part in any training: how the arm does for someone new.",
    "by chance": "The share of clients that would look hurt if no client really were.",
    "paired difference": "A client's score under one arm against another, seed by seed; positive is better.",
    "hurt": "A client that does worse than it would with the alternative named.",
    "pooled reference": "Training on everybody's data in one place: for comparison, no option. Other arms may beat it.",
    "kept": "How many clients kept what their own training gave; the others go on with what they received.",
    "epsilon": "By e to this power, at most, a run's shared models make it likelier that a client took part.",
    "bytes per client": "What one client sends and receives over the whole run.",
    "FLOP": "Floating-point operations that one client spends on training, over the whole run.",
    "memory": "The most memory that training takes on a client: weights, gradients, optimiser, activations.",
    "round": "One exchange between the server and the clients taking part.",
    "Pareto front": "The arms that no other arm beats on accuracy without sending more bytes.",
    "accuracy": "The share of examples that are classified correctly.",
    "balanced accuracy": "Accuracy averaged over classes: a rare class counts as much as a common one.",
    "macro-F1": "The F1 score (precision and recall in one) averaged over classes.",
    "log loss": "How surprised the model is by the true class, in nats; lower is better.",
    "calibration error": "How far stated confidence is from the share of correct answers; lower is better.",
    "percentage points (pp)": "The plain difference of two percentages: from 70% to 73% is +3 pp.",
    "label skew": "How much the clients' mixes of classes differ: 0 is equal, 1 is disjoint.",
    "Jensen-Shannon": "A distance between class mixes in [0, 1]: 0 is equal, 1 is disjoint.",
    "Gini": "How unequal the clients' amounts of data are: 0 is equal, near 1 is one client with all.",
    "feature shift": "How differently one backbone sees each client's data (Fréchet distance; 0 is alike).",
    "LogME": "A score of how well frozen features explain the labels; higher is better.",
    "ceiling": "The most that learning together can add: pooled training minus local training.",
}


def slug(term: str) -> str:
    """A term's anchor on the page.

    >>> slug("worst decile")
    'term-worst-decile'
    """
    return "term-" + "".join(letter if letter.isalnum() else "-" for letter in term.lower()).strip("-")
