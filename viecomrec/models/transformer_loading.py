"""Load a language model from a folder: nothing from the network, no code from the folder."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viecomrec.domain.language_models import CONFIGURATION, PICKLED_WEIGHTS, SAFE_WEIGHTS
from viecomrec.domain.numeric_format import NumericFormat
from viecomrec.errors import ArtifactError

REMEDY = "Remove the folder and run: viecomrec models fetch"


@dataclass(frozen=True)
class LoadedTransformer:
    """A network in evaluation mode, float32, on `device`, with its tokenizer."""

    network: Any
    tokenizer: Any
    device: str

    @property
    def max_tokens(self) -> int:
        """Longest input of the network: RoBERTa keeps two positions for itself."""
        return int(self.network.config.max_position_embeddings) - 2

    @property
    def why_not_int8(self) -> str | None:
        """Why only full precision will do on this machine; None where 8 bits may be tried."""
        if self.device != "cpu":
            return "a GPU calculates in full precision"
        from viecomrec.models.int8_linear import int8_problem

        return int8_problem()

    def in_format(self, numeric_format: NumericFormat) -> "LoadedTransformer":
        """The same model calculating in that format; 8-bit layers exist on the CPU only."""
        if numeric_format is NumericFormat.FLOAT32:
            return self
        from viecomrec.models.int8_linear import to_int8

        return LoadedTransformer(to_int8(self.network.to("cpu")), self.tokenizer, "cpu")


def load_phobert(folder: Path) -> LoadedTransformer:
    """RoBERTa without its pooling layer, with PhoBERT's tokenizer (vocab.txt, bpe.codes)."""
    from transformers import PhobertTokenizer, RobertaModel

    return _load(folder, "roberta", RobertaModel, PhobertTokenizer, add_pooling_layer=False)


def load_sentiment_model(folder: Path) -> LoadedTransformer:
    """XLM-RoBERTa with a classification head and a sentencepiece tokenizer."""
    from transformers import XLMRobertaForSequenceClassification, XLMRobertaTokenizer

    return _load(folder, "xlm-roberta", XLMRobertaForSequenceClassification, XLMRobertaTokenizer)


def _load(
    folder: Path, architecture: str, network_class: Any, tokenizer_class: Any, **options: Any
) -> LoadedTransformer:
    import torch
    from transformers.utils import logging

    _require_architecture(folder, architecture)
    # What matters of the loading report is checked below, weight by weight.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = tokenizer_class.from_pretrained(folder, local_files_only=True)
        network, report = network_class.from_pretrained(
            None,
            config=network_class.config_class.from_pretrained(folder, local_files_only=True),
            state_dict=_weights(folder),
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
    # The libraries below raise whatever their parsers raise on a torn or foreign file.
    except Exception as error:
        raise ArtifactError(f"{folder} cannot be loaded ({_short(error)}). {REMEDY}") from error
    _require_all_weights(folder, report)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return LoadedTransformer(network.eval().to(device), tokenizer, device)


def _weights(folder: Path) -> dict[str, Any]:
    """The weights by name, from the safe form where it is there; no code in the file is run.

    Read here: transformers has an argument for this, but does not hand it on for a pickle.
    """
    import torch
    from safetensors.torch import load_file

    if (folder / SAFE_WEIGHTS).is_file():
        return load_file(folder / SAFE_WEIGHTS)
    weights = torch.load(folder / PICKLED_WEIGHTS, map_location="cpu", weights_only=True)
    return dict(weights)


def _require_architecture(folder: Path, architecture: str) -> None:
    try:
        found = json.loads((folder / CONFIGURATION).read_bytes()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{folder / CONFIGURATION} cannot be read ({error}). {REMEDY}"
        ) from error
    if found != architecture:
        raise ArtifactError(
            f"{folder} holds a model of type {found!r}, where {architecture!r} is needed. {REMEDY}"
        )


def _require_all_weights(folder: Path, report: dict[str, Any]) -> None:
    """Refuse what transformers only warns of: weights that it had to invent."""
    invented = sorted(str(name) for name in report.get("missing_keys", ()))
    misfits = sorted(str(name) for name in report.get("mismatched_keys", ()))
    if invented or misfits:
        named = ", ".join((invented + misfits)[:3])
        raise ArtifactError(
            f"{folder} lacks {len(invented)} weights and has {len(misfits)} of a wrong shape "
            f"({named}, ...): it is incomplete or another model. {REMEDY}"
        )


def _short(error: Exception) -> str:
    """The beginning of a library's message, on one line and without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return " ".join(plain.split())[:200]
