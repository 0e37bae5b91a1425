"""Which published language models the project uses, and which files they consist of."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

CONFIGURATION = "config.json"
SAFE_WEIGHTS = "model.safetensors"
PICKLED_WEIGHTS = "pytorch_model.bin"
"""Read with weights_only, which runs no code."""

SOURCE = "source.json"
"""Written by `viecomrec models fetch`: where the files came from, with a hash of each."""


PINS = "revisions.json"
"""Beside the models' folders: to which commit a branch was resolved when it was first fetched."""


class Role(StrEnum):
    PRODUCT_TEXTS = "product texts"
    COMMENTS = "comments"


@dataclass(frozen=True)
class LanguageModel:
    """One published model: its name at the hub, its architecture and its tokenizer's files."""

    model_id: str
    role: Role
    architecture: str
    """`model_type` of its config.json."""

    tokenizer_files: tuple[str, ...]
    optional_files: tuple[str, ...] = ()

    @property
    def folder_name(self) -> str:
        """Its folder under `models/`; the hub's cache has `models--` in front of the same."""
        return self.model_id.replace("/", "--")

    def missing_files(self, present: Collection[str]) -> list[str]:
        """What a folder with these files lacks; either form of the weights will do."""
        required = [CONFIGURATION, *self.tokenizer_files]
        missing = [name for name in required if name not in present]
        if not {SAFE_WEIGHTS, PICKLED_WEIGHTS} & set(present):
            missing.append(f"{SAFE_WEIGHTS} or {PICKLED_WEIGHTS}")
        return missing

    def wanted_files(self, published: Collection[str]) -> list[str]:
        """What to download of a repository: the safe form of the weights where it has one."""
        weights = SAFE_WEIGHTS if SAFE_WEIGHTS in published else PICKLED_WEIGHTS
        wanted = [CONFIGURATION, *self.tokenizer_files, weights, *self.optional_files]
        return [name for name in wanted if name in published]


PHOBERT = LanguageModel(
    model_id="vinai/phobert-base",
    role=Role.PRODUCT_TEXTS,
    architecture="roberta",
    tokenizer_files=("vocab.txt", "bpe.codes"),
)
"""Nguyen and Nguyen 2020: RoBERTa on word-segmented Vietnamese."""

VISOBERT_SENTIMENT = LanguageModel(
    model_id="5CD-AI/Vietnamese-Sentiment-visobert",
    role=Role.COMMENTS,
    architecture="xlm-roberta",
    tokenizer_files=("sentencepiece.bpe.model",),
    optional_files=("tokenizer_config.json", "special_tokens_map.json"),
)
"""ViSoBERT (Nguyen et al. 2023), fine-tuned on Vietnamese reviews: negative, positive, neutral."""

FETCH_COMMAND = "viecomrec models fetch"
