"""The whole loop on a demo shop, through the doors that a person would use."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from viecomrec.adapters.demo_shop import DemoShopFiles
from viecomrec.adapters.door_process import DoorOutcome, DoorProcesses
from viecomrec.adapters.service_client import ServiceClient
from viecomrec.adapters.snapshots import SnapshotStore
from viecomrec.domain import demo as rules
from viecomrec.domain.demo import Customer, Step, StepReport
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.domain.simulation import catalogue_size, simulate_shop
from viecomrec.errors import DemoError, VieComRecError

TOPK = 5
TOO_SMALL = (
    "A model must beat popularity on held-out orders before it goes live, and this shop has too "
    "few customers for that; choose more with --users."
)


class Screen(Protocol):
    """Where the demo shows what it does."""

    def begin(self, step: Step) -> None: ...

    def end(self, report: StepReport) -> None: ...

    def show_recommendations(self, customer: Customer, answer: dict[str, Any]) -> None: ...

    def show_health(self, report: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class DemoRequest:
    n_users: int
    seed: int


@dataclass(frozen=True)
class DemoTools:
    """What the demo works with."""

    shop: DemoShopFiles
    doors: DoorProcesses
    snapshots: SnapshotStore
    start_service: Callable[[], AbstractContextManager[str]]
    connect: Callable[[str], ServiceClient]
    screen: Screen
    clock: Callable[[], float]
    """Seconds from any start; for durations only."""


def run(request: DemoRequest, tools: DemoTools) -> PipelineResult:
    """Write the shop, learn from it, serve it, ask and check; DemoError names a failing step."""
    return _Demo(request, tools).carry_out()


@dataclass
class _Demo:
    request: DemoRequest
    tools: DemoTools
    reports: list[StepReport] = field(default_factory=list)

    def carry_out(self) -> PipelineResult:
        self._do(Step.SHOP, self._write_shop)
        self._do(Step.REFRESH, self._refresh)
        self._do(Step.EMBED, self._embed)
        self._do(Step.TRAIN, self._train)
        with self._served() as url:
            self._do(Step.DEPLOY, lambda: self._deploy(url))
            self._do(Step.ASK, lambda: self._ask(url))
            self._do(Step.HEALTH, lambda: self._check_health(url))
        return self._result()

    # --- the steps: each says what it found and whether there was nothing new to do -------
    def _write_shop(self) -> tuple[str, bool]:
        n_users, seed = self.request.n_users, self.request.seed
        n_products = catalogue_size(n_users)
        described = f"{n_users:,} customers, {n_products:,} products, seed {seed}"
        if self.tools.shop.is_current(seed, n_users, n_products):
            return f"{described}: here already", True
        self.tools.shop.require_own_folder()
        shop = simulate_shop(n_users, n_products, np.random.default_rng(seed))
        self.tools.shop.write(shop, seed, n_users, n_products)
        return f"{shop.reviews.height:,} reviews, {described}", False

    def _refresh(self) -> tuple[str, bool]:
        outcome = self._run_door("data_refresh")
        if outcome.status == Status.SKIPPED:
            return outcome.message, True
        return rules.describe_refresh(outcome.result), False

    def _embed(self) -> tuple[str, bool]:
        outcome = self._run_door("bert_embeddings")
        return outcome.message, outcome.status == Status.SKIPPED

    def _train(self) -> tuple[str, bool]:
        outcome = self._run_door("model_training", ["--auto-select"])
        if outcome.status == Status.SUCCESS and outcome.result.get("current_best") is None:
            raise DemoError(f"{outcome.message}. {TOO_SMALL}")
        return rules.describe_training(outcome.result), outcome.status == Status.SKIPPED

    def _deploy(self, url: str) -> tuple[str, bool]:
        outcome = self._run_door("model_deployment", url=url)
        if outcome.status == Status.PENDING:
            raise DemoError(f"The service at {url} could not be reached: {outcome.message}.")
        if "model_id" not in outcome.result:
            raise DemoError(f"There is nothing to deploy: {outcome.message}. {TOO_SMALL}")
        return f"{outcome.message}, verified against {url}", outcome.status == Status.SKIPPED

    def _ask(self, url: str) -> tuple[str, bool]:
        snapshot = self.tools.snapshots.require_current()
        customers = rules.choose_customers(snapshot.interactions(), snapshot.products())
        service = self.tools.connect(url)
        for customer in customers:
            answer = service.recommend(customer.user_id, TOPK, exclude_seen=True)
            problem = rules.list_problem(customer, answer)
            if problem:
                raise DemoError(f"For user {customer.user_id} the service gave {problem}.")
            self.tools.screen.show_recommendations(customer, answer)
        return f"asked for {len(customers)} customers", False

    def _check_health(self, url: str) -> tuple[str, bool]:
        outcome = self.tools.doors.run("health_check", ["--json"], {"SERVICE_URL": url})
        if "components" in outcome.result:
            self.tools.screen.show_health(outcome.result)
        _require_success(outcome)
        return f"overall {outcome.result['overall_status']}", False

    @contextmanager
    def _served(self) -> Iterator[str]:
        """The running service, its start shown as a step, its end guaranteed."""
        with ExitStack() as stack:
            address: list[str] = []

            def start() -> tuple[str, bool]:
                address.append(stack.enter_context(self.tools.start_service()))
                return f"listening on {address[0]}", False

            self._do(Step.SERVE, start)
            yield address[0]

    # --- how a step runs -----------------------------------------------------------------
    def _do(self, step: Step, work: Callable[[], tuple[str, bool]]) -> None:
        self.tools.screen.begin(step)
        started = self.tools.clock()
        try:
            found, is_unchanged = work()
        except VieComRecError as error:
            raise DemoError(
                f"Step {step.number} of {len(Step)}, {step}, failed: {error}"
            ) from error
        self._report(StepReport(step, found, self.tools.clock() - started, is_unchanged))

    def _report(self, report: StepReport) -> None:
        self.reports.append(report)
        self.tools.screen.end(report)

    def _run_door(
        self, door: str, arguments: Sequence[str] = (), url: str | None = None
    ) -> DoorOutcome:
        environment = {} if url is None else {"SERVICE_URL": url}
        outcome = self.tools.doors.run(door, arguments, environment)
        _require_success(outcome)
        return outcome

    def _result(self) -> PipelineResult:
        seconds = sum(report.seconds for report in self.reports)
        return PipelineResult(
            status=Status.SUCCESS,
            message=f"The whole loop ran in {seconds:.0f} s",
            is_unchanged=rules.is_unchanged(self.reports),
        )


def _require_success(outcome: DoorOutcome) -> None:
    if outcome.exit_code != 0:
        message = outcome.message or f"it ended with code {outcome.exit_code}"
        raise DemoError(f"{message} (log: {outcome.log_file})")
