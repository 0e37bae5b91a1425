"""python -m automation.bert_embeddings [--force]."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from automation.door import run_door

if TYPE_CHECKING:
    from viecomrec.domain.results import PipelineResult


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m automation.bert_embeddings",
        description="Embed the texts of the products; skipped while the embeddings are fresh.",
    )
    parser.add_argument("--force", action="store_true", help="embed again even if fresh")
    return run_door(parser, _run, argv)


def _run(arguments: argparse.Namespace) -> "PipelineResult":
    from viecomrec.bootstrap import open_installation
    from viecomrec.pipelines import bert_embeddings

    installation = open_installation()
    request = bert_embeddings.EmbeddingRequest(force=arguments.force)

    def work() -> "PipelineResult":
        products = installation.snapshots.require_current().products()
        return bert_embeddings.run(request, products, installation.embedding_tools())

    return installation.run("bert_embeddings", work, vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
