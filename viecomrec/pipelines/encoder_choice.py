"""Which encoder works here: the wanted one where its weights are, else the project's own."""

from dataclasses import dataclass
from typing import Any

from viecomrec.adapters.language_models import LanguageModelFolders
from viecomrec.adapters.numeric_formats import NumericFormatStore
from viecomrec.domain.language_models import FETCH_COMMAND, PHOBERT
from viecomrec.errors import ArtifactError
from viecomrec.models.text_encoders import FormattedEncoder, TextEncoder, TfidfEncoder
from viecomrec.settings import EmbeddingSettings


@dataclass(frozen=True)
class EncoderChoice:
    """The encoder that works here; `degraded_reason` where it stands in for the wanted one."""

    encoder: TextEncoder
    degraded_reason: str | None = None
    remedy: str | None = None
    open_format: FormattedEncoder | None = None
    """The encoder again, while its numeric format has still to be measured on the texts."""

    def described(self) -> dict[str, Any]:
        identity = self.encoder.identity
        return {
            "model": identity.model,
            "revision": identity.revision,
            "degraded": self.degraded_reason is not None,
            "degraded_reason": self.degraded_reason,
        }


def choose_encoder(
    wanted: EmbeddingSettings, folders: LanguageModelFolders, formats: NumericFormatStore
) -> EncoderChoice:
    """ArtifactError where PhoBERT is demanded (`encoder: phobert`) and its weights are absent."""
    if wanted.encoder == "tfidf":
        return EncoderChoice(TfidfEncoder(wanted.dimensions))
    try:
        located = folders.locate(PHOBERT, wanted.revision)
    except ArtifactError as error:
        if wanted.encoder == "phobert":
            raise ArtifactError(f"{error} Run: {FETCH_COMMAND}") from error
        return EncoderChoice(
            TfidfEncoder(wanted.dimensions), degraded_reason=str(error), remedy=FETCH_COMMAND
        )
    # Imported here: without weights a run never pays for the code that would use them.
    from viecomrec.models.phobert import PhobertEncoder

    encoder = PhobertEncoder(
        located.folder,
        model_id=PHOBERT.model_id,
        revision=located.revision,
        dimensions=wanted.dimensions,
        pooling=wanted.pooling,
        verify=located.verify,
    )
    is_open = wanted.numeric_format == "auto"
    decision = formats.read(encoder.identity.key) if is_open else None
    if decision is None:
        return EncoderChoice(encoder, open_format=encoder if is_open else None)
    return EncoderChoice(encoder.in_format(decision.numeric_format))
