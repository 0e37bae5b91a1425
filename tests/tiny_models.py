"""Tiny language models of the real architectures, saved in the published models' file layout.

Weights are random, vocabularies are learnt from the texts given: what is tested is the loading
code and the calculation, not the language.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece
import torch
from transformers import (
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

CATALOGUE = [
    "Sữa rửa mặt dịu nhẹ cho da nhạy cảm",
    "Kem chống nắng kiềm dầu phổ rộng",
    "Nước tẩy trang làm sạch sâu",
    "Mặt nạ dưỡng ẩm chiết xuất trà xanh",
    "Hàng đẹp giao nhanh sẽ ủng hộ shop tiếp",
    "Sản phẩm kém chất lượng thất vọng quá",
]
SEGMENTED = [
    "Sữa rửa mặt dịu_nhẹ cho da nhạy_cảm",
    "Kem chống nắng kiềm dầu phổ rộng",
    "Nước tẩy_trang làm_sạch sâu",
    "Mặt_nạ dưỡng ẩm chiết_xuất trà xanh",
    "sản_phẩm lành_tính chất_lượng",
]


BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "initializer_range": 0.02,
}
"""The size of the real ones."""


def write_phobert(
    folder: Path,
    *,
    width: int = 32,
    layers: int = 2,
    safetensors: bool = False,
    seed: int = 0,
    n_merges: int = 60,
    **sizes: object,
) -> Path:
    """RoBERTa with PhoBERT's files: config.json, vocab.txt, bpe.codes and the weights.

    The real repository holds `pytorch_model.bin` of the masked language model; so does this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_byte_pairs(folder, SEGMENTED, n_merges)
    torch.manual_seed(seed)
    tiny = {
        "vocab_size": vocabulary + 5,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * width,
        "initializer_range": 0.2,
    }
    config = RobertaConfig(max_position_embeddings=258, type_vocab_size=1, **{**tiny, **sizes})
    return _save(RobertaForMaskedLM(config), folder, safetensors=safetensors)


def write_sentiment(
    folder: Path,
    *,
    labels: Sequence[str] = ("NEG", "POS", "NEU"),
    safetensors: bool = True,
    n_pieces: int = 70,
    whole_words: bool = False,
    **sizes: object,
) -> Path:
    """XLM-RoBERTa with a classification head and sentencepiece.bpe.model."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_sentencepiece(folder, CATALOGUE, n_pieces, "word" if whole_words else "unigram")
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "sentencepiece.bpe.model"))
    torch.manual_seed(1)
    tiny = {
        "vocab_size": pieces.get_piece_size() + 2,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.3,
    }
    config = XLMRobertaConfig(
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **{**tiny, **sizes},
    )
    return _save(XLMRobertaForSequenceClassification(config), folder, safetensors=safetensors)


def change_configuration(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _save(network: torch.nn.Module, folder: Path, *, safetensors: bool) -> Path:
    network.save_pretrained(folder)
    if not safetensors:
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def _write_byte_pairs(folder: Path, texts: Iterable[str], n_merges: int) -> int:
    """Learn merges as fastBPE does (Sennrich et al. 2016) and write both files."""
    words = Counter(word for text in texts for word in text.split())
    symbols = {word: (*word[:-1], word[-1] + "</w>") for word in words}
    merges = []
    for _ in range(n_merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in zip(symbols[word], symbols[word][1:], strict=False):
                pairs[pair] += count
        if not pairs:
            break
        best, count = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append(f"{best[0]} {best[1]} {count}")
        symbols = {word: _merged(parts, best) for word, parts in symbols.items()}
    alphabet = {letter for word in words for letter in word}
    tokens = {part for parts in symbols.values() for part in parts}
    tokens |= {f"{letter}</w>" for letter in alphabet} | alphabet
    vocabulary = sorted(
        token.removesuffix("</w>") if token.endswith("</w>") else f"{token}@@" for token in tokens
    )
    (folder / "bpe.codes").write_text("\n".join(merges) + "\n", encoding="utf-8")
    lines = "".join(f"{token} 1\n" for token in vocabulary)
    (folder / "vocab.txt").write_text(lines, encoding="utf-8")
    return len(vocabulary)


def _merged(parts: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def _write_sentencepiece(folder: Path, texts: Sequence[str], n_pieces: int, kind: str) -> None:
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(texts * 20), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=n_pieces,
        model_type=kind,
        minloglevel=2,
    )
    corpus.unlink()
    (folder / "sentencepiece.bpe.vocab").unlink()
