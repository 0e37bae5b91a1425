"""Which bundle answers right now; a reload builds the next one beside it and swaps a reference."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from viecomrec.adapters.ranking_file import read_ranking_rules
from viecomrec.adapters.worker_board import WorkerBoard
from viecomrec.bootstrap import Installation
from viecomrec.domain.api import RankingRequest
from viecomrec.domain.registry import Registry
from viecomrec.errors import ArtifactError, ArtifactStoreError, ServiceError, VieComRecError
from viecomrec.service.bundle import Bundle, load_bundle
from viecomrec.service.event_memory import EventMemory
from viecomrec.service.recommender import recommend

log = structlog.get_logger()

GOLDEN_ITEMS = 5
GOLDEN_USERS = 3
NOBODY = "golden-request-of-nobody"
NO_DATA = "No data yet. Run: python -m automation.data_refresh"
NO_MODEL = "No model yet. Run: python -m automation.model_training --model als"
NOT_DEPLOYED = "No model is deployed yet. Run: python -m automation.model_deployment"
STORE_AWAY = "The shared store does not answer or refuses; the log of the service says more."
SECONDS_TO_AGREE = 5.0


@dataclass(frozen=True)
class Serving:
    """The bundle that answers, or None, and what a person should know about it."""

    bundle: Bundle | None
    problem: str | None = None


class LiveModel:
    """Holds one reference; readers take it once per request and stay on it."""

    def __init__(
        self,
        installation: Installation,
        memory: EventMemory,
        board: WorkerBoard,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._installation = installation
        self._memory = memory
        self._board = board
        self._sleep = sleep
        self._loading = threading.Lock()
        self._serving = Serving(None, NO_MODEL)
        self._seen_files: tuple[int, ...] = ()
        self._refused: str | None = None
        """What the others announced and this worker could not load: not tried again and again."""

    @property
    def root(self) -> Path:
        """Where the installation lies; no answer names this place."""
        return self._installation.paths.root

    @property
    def serving(self) -> Serving:
        return self._serving

    def require_bundle(self) -> Bundle:
        """The bundle in force; ServiceError says what to run where there is none."""
        serving = self._serving
        if serving.bundle is None:
            raise ServiceError(serving.problem or NO_MODEL)
        return serving.bundle

    def start(self) -> None:
        """Load what the other workers serve, else `desired`, else what was live before.

        The reason of a fallback is kept.
        """
        with self._loading:
            self._seen_files = self._file_signature()
            self._memory.restart()
            self._serve(self._first_loadable())

    def reload(self, model_id: str) -> Bundle:
        """Bring a model live in all workers, or raise and leave the old one answering.

        RegistryError: unknown id. ArtifactError, SnapshotError: it was refused.
        """
        with self._loading:
            bundle = self._load(model_id)
            # Told before the swap: otherwise the follower would take the old announcement
            # for another worker's wish, and load the old model back.
            self._board.announce(model_id)
            self._take(bundle)
        self._wait_for_other_workers(model_id)
        return bundle

    def follow(self) -> None:
        """Take in what has changed outside: events, the other workers' model, data, rules.

        A change that cannot be loaded leaves the old bundle answering and is told as a problem.
        """
        self._memory.poll()
        if self._changed_to() is None:
            return
        with self._loading:
            # Asked again: a reload may have finished while this thread waited for it.
            model_id = self._changed_to()
            self._seen_files = self._file_signature()
            if model_id is None:
                return
            try:
                self._take(self._load(model_id))
            except VieComRecError as error:
                log.error("change refused", model_id=model_id, error=str(error))  # noqa: TRY400
                self._refused = self._board.announced()
                self._serving = replace(self._serving, problem=self.public(error))

    def look_again(self) -> None:
        """Try what could not be loaded once more: what was out of reach may have come."""
        if self._serving.bundle is not None:
            if self._serving.problem is not None:
                self._seen_files = ()
            return
        with self._loading:
            found = self._first_loadable()
            if found.bundle is not None:
                self._memory.restart()
            self._serve(found)

    def public(self, error: Exception) -> str:
        """The message without the place of the installation on this machine, or of its store."""
        if isinstance(error, ArtifactStoreError):
            return STORE_AWAY
        return str(error).replace(str(self.root), ".")

    def desired(self) -> str | None:
        try:
            return self._installation.registry.read_here().desired
        except VieComRecError:
            return None

    def _changed_to(self) -> str | None:
        """The model to load now, because it or the files around it changed; else None."""
        bundle = self._serving.bundle
        announced = self._board.announced()
        live = bundle.model_id if bundle else None
        if announced not in {None, live, self._refused}:
            return announced
        return live if self._file_signature() != self._seen_files else None

    def _load(self, model_id: str) -> Bundle:
        rules = read_ranking_rules(self._installation.paths.ranking_file)
        bundle = load_bundle(
            self._installation, model_id, self._memory.fresh, rules, self._serving.bundle
        )
        require_golden_answers(bundle)
        return bundle

    def _take(self, bundle: Bundle) -> None:
        old = self._serving.bundle
        self._serve(Serving(bundle))
        self._refused = None
        if old is None or old.shop is not bundle.shop:
            self._memory.restart()
        log.info("model is live", model_id=bundle.model_id, snapshot=bundle.shop.snapshot_version)

    def _serve(self, serving: Serving) -> None:
        self._serving = serving
        if serving.bundle is not None:
            serving.bundle.shop.index.warm()

    def _first_loadable(self) -> Serving:
        try:
            registry = self._installation.registry.read()
        except VieComRecError as error:
            return Serving(None, self.public(error))
        problems: list[str] = []
        for model_id in _candidates(self._board.announced(), registry):
            try:
                bundle = self._load(model_id)
            except VieComRecError as error:
                log.error("model refused", model_id=model_id, error=str(error))  # noqa: TRY400
                problems.append(f"{model_id}: {self.public(error)}")
                continue
            return Serving(bundle, "; ".join(problems) or None)
        return Serving(None, "; ".join(problems) or self._what_to_run(registry))

    def _what_to_run(self, registry: Registry) -> str:
        if registry.models:
            return NOT_DEPLOYED
        return NO_MODEL if self._installation.snapshots.current() else NO_DATA

    def _file_signature(self) -> tuple[int, ...]:
        """Changes when the current snapshot, the embeddings or the shop's rules change."""
        paths = self._installation.paths
        files = (paths.snapshot_pointer, paths.embeddings_pointer, paths.ranking_file)
        return tuple(_modified(file) for file in files)

    def _wait_for_other_workers(self, model_id: str) -> None:
        """Return when all workers have said that they serve the model, or after a while."""
        for _ in range(int(SECONDS_TO_AGREE / 0.05)):
            others = self._board.others()
            if all(report.get("model_id") == model_id for report in others):
                return
            self._sleep(0.05)
        log.warning("some workers have not followed yet", model_id=model_id)


def require_golden_answers(bundle: Bundle) -> int:
    """Answer golden requests and return the shortest list's length; ArtifactError if one is empty.

    Asked are users of the model from its first to its last row, and one whom nobody knows.
    """
    shortest = GOLDEN_ITEMS
    for user_id in _golden_users(bundle):
        answer = recommend(bundle, user_id, RankingRequest(topk=GOLDEN_ITEMS))
        if answer.n_items == 0:
            raise ArtifactError(
                f"Model {bundle.model_id} answers a golden request with an empty list."
            )
        shortest = min(shortest, answer.n_items)
    return shortest


def _golden_users(bundle: Bundle) -> Iterator[str]:
    users = bundle.user_ids.user_ids
    step = max(1, len(users) // GOLDEN_USERS)
    yield from users[::step][:GOLDEN_USERS]
    yield NOBODY


def _candidates(announced: str | None, registry: Registry) -> list[str]:
    """What may answer, best first; each once."""
    wanted = (announced, registry.desired, registry.deployed, registry.rollback_target)
    return [model_id for model_id in dict.fromkeys(wanted) if model_id is not None]


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
