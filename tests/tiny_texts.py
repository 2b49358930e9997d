"""A tiny BERT with its tokenizer on disk, and texts that it can tell apart."""

from pathlib import Path

import numpy as np
import torch

WORDS = ("good", "fine", "great", "bad", "awful", "poor", "film", "book", "the", "a", "was", "very", "not", ".")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_encoder(folder: Path, kind: str = "bert", *, layers: int = 3, tokenizer: bool = True) -> Path:
    """Save an encoder of a few thousand weights."""
    import transformers

    size = {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 34, "pad_token_id": 0}
    bert = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": layers}
    distil = {"dim": 8, "n_heads": 2, "hidden_dim": 16, "n_layers": layers}
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **size, **(distil if kind == "distilbert" else bert))
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    if tokenizer:
        (folder / "vocab.txt").write_text("\n".join((*SPECIAL, *WORDS)))
        transformers.BertTokenizer(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    return folder


def draw_texts(labels: np.ndarray, seed: int = 0, longest: int = 20) -> list[str]:
    """Draw a text per label: words of praise or of blame among others."""
    rng = np.random.default_rng(seed)
    return [" ".join([*_words(rng, longest), str(rng.choice(WORDS[3 * label : 3 * label + 3]))]) for label in labels]


def _words(rng: np.random.Generator, longest: int) -> list[str]:
    return [str(word) for word in rng.choice(WORDS[6:], size=int(rng.integers(2, longest)))]
