"""The console command `viecomrec`: the doors of this package as verbs.

Only the door that is asked for is imported, so that `viecomrec --help` answers at once.
"""

import importlib
import sys
from collections.abc import Sequence

VERBS = {
    "demo": ("automation.demo", "run the whole loop on a demo shop"),
    "refresh": ("automation.data_refresh", "turn the shop's files and new events into a snapshot"),
    "refit-scorer": ("automation.refit_scorer", "fit the shop's own comment scorer anew"),
    "embed": ("automation.bert_embeddings", "embed the texts of the products"),
    "models": ("automation.models", "fetch the language models, or say which are used"),
    "train": ("automation.model_training", "train, measure and register models"),
    "deploy": ("automation.model_deployment", "bring a model live, or roll back"),
    "serve": ("automation.serve", "answer with recommendations over HTTP"),
    "health": ("automation.health_check", "say whether all is well"),
    "drift": ("automation.drift_detection", "compare recent events with the baseline"),
    "cleanup": ("automation.cleanup", "delete old logs, checkpoints and models"),
    "scheduler": ("automation.scheduler", "run the jobs on their schedule"),
    "schedule": ("automation.schedule", "what became of each nominal time; export the jobs"),
    "ingest": ("automation.ingest", "load a file of events through the same checks"),
    "erase-user": ("automation.erase_user", "remove a person from answers, data and models"),
    "history": ("automation.history", "which model was live when"),
    "pin": ("automation.pin", "keep a model from cleanup"),
    "backup": ("automation.backup", "save the installation into one file while it runs"),
    "restore": ("automation.restore", "bring a saved installation back"),
    "artifacts": ("automation.artifacts", "move the artifacts into a store for several hosts"),
    "doctor": ("automation.doctor", "explain the state of an installation"),
}


def usage() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {what}" for verb, (_, what) in VERBS.items())
    return (
        "usage: viecomrec VERB [options]\n\n"
        f"{verbs}\n\n"
        "viecomrec VERB --help explains a verb. Commands work on the project that PROJECT_DIR\n"
        "names, else on the one at or above the current folder."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Hand the arguments to the door of the verb; 2 for a verb that does not exist."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from viecomrec import __version__

        print(__version__)
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"viecomrec: unknown verb {verb!r}\n\n{usage()}", file=sys.stderr)
        return 2
    module = importlib.import_module(VERBS[verb][0])
    # argparse names the program in usage lines after this.
    sys.argv[0] = f"viecomrec {verb}"
    return int(module.main(rest))


if __name__ == "__main__":
    sys.exit(main())
