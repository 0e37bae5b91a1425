import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from installation import NEW_MODEL, NOW, OLD_MODEL, write_installation
from threadpoolctl import threadpool_info, threadpool_limits

from viecomrec.adapters.registry import ITEM_FACTORS
from viecomrec.adapters.worker_board import WorkerBoard
from viecomrec.domain.events import Event
from viecomrec.errors import ArtifactError, RegistryError, ServiceError
from viecomrec.service import reports
from viecomrec.service.live import Serving
from viecomrec.service.recommender import identify
from viecomrec.service.worker import Worker


def damage(installation, model_id):
    file = installation.models.folder("als", model_id) / ITEM_FACTORS
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")


def started(installation):
    worker = Worker(installation, WorkerBoard(installation.paths.service_workers / "test"))
    worker.live.start()
    return worker


def test_the_desired_model_is_loaded_at_the_start(tmp_path):
    worker = started(write_installation(tmp_path))
    assert worker.live.require_bundle().model_id == NEW_MODEL
    assert (reports.model_info(worker).status, reports.health(worker).status) == ("ok", "healthy")


def test_a_damaged_desired_model_falls_back_to_the_deployed_one_and_says_so(tmp_path):
    installation = write_installation(tmp_path)
    installation.registry.update(lambda registry: registry.confirm(OLD_MODEL).desire(NEW_MODEL))
    damage(installation, NEW_MODEL)
    worker = started(installation)
    assert worker.live.require_bundle().model_id == OLD_MODEL
    assert (reports.model_info(worker).status, reports.health(worker).status) == (
        "degraded",
        "degraded",
    )
    for reason in (reports.model_info(worker).reason, reports.health(worker).reason):
        assert NEW_MODEL in reason
        assert "altered" in reason
        assert str(tmp_path) not in reason


def test_the_rollback_target_is_the_last_resort(tmp_path):
    installation = write_installation(tmp_path)
    installation.registry.update(lambda registry: registry.confirm(OLD_MODEL).confirm(NEW_MODEL))
    damage(installation, NEW_MODEL)
    assert started(installation).live.require_bundle().model_id == OLD_MODEL


def test_an_installation_without_data_or_model_says_what_to_run(tmp_path):
    installation = write_installation(tmp_path, desired=None)
    with pytest.raises(ServiceError, match=r"automation\.model_deployment"):
        started(installation).live.require_bundle()
    installation.paths.registry_file.unlink()
    with pytest.raises(ServiceError, match=r"automation\.model_training"):
        started(installation).live.require_bundle()
    installation.paths.snapshot_pointer.unlink()
    worker = started(installation)
    with pytest.raises(ServiceError, match=r"automation\.data_refresh"):
        worker.live.require_bundle()
    assert (reports.model_info(worker).status, reports.health(worker).status) == ("empty", "empty")


def test_a_reload_swaps_the_model(tmp_path):
    worker = started(write_installation(tmp_path))
    assert worker.live.reload(OLD_MODEL).model_id == OLD_MODEL
    assert worker.live.require_bundle().model_id == OLD_MODEL


def test_a_damaged_or_unknown_model_leaves_the_old_one_answering(tmp_path):
    installation = write_installation(tmp_path)
    worker = started(installation)
    damage(installation, OLD_MODEL)
    with pytest.raises(ArtifactError, match="altered"):
        worker.live.reload(OLD_MODEL)
    with pytest.raises(RegistryError, match="als_20990101_v1"):
        worker.live.reload("als_20990101_v1")
    assert worker.live.require_bundle().model_id == NEW_MODEL
    assert reports.health(worker).status == "healthy"


def test_pitfall_11_a_service_whose_lists_are_empty_is_not_healthy(tmp_path):
    installation = write_installation(tmp_path)
    worker = started(installation)
    bundle = worker.live.require_bundle()
    nothing = np.zeros_like(bundle.shop.catalogue.is_offered)
    catalogue = replace(bundle.shop.catalogue, is_offered=nothing)
    worker.live._serving = Serving(replace(bundle, shop=replace(bundle.shop, catalogue=catalogue)))
    health = reports.health(worker)
    assert health.status == "empty"
    assert "empty list" in health.reason


class SlowBoard(WorkerBoard):
    """A disk that takes half a second for the announcement."""

    def announce(self, model_id):
        time.sleep(0.5)
        super().announce(model_id)


def test_a_slow_announcement_never_brings_the_old_model_back(tmp_path):
    installation = write_installation(tmp_path)
    worker = Worker(installation, SlowBoard(installation.paths.service_workers / "test"))
    worker.start()
    try:
        for model_id in (OLD_MODEL, NEW_MODEL, OLD_MODEL):
            worker.live.reload(model_id)
            seen = set()
            for _ in range(40):
                seen.add(worker.live.require_bundle().model_id)
                time.sleep(0.02)
            assert seen == {model_id}
    finally:
        worker.stop()


def test_what_another_worker_announces_is_followed_and_a_damaged_model_is_not_tried_forever(
    tmp_path,
):
    installation = write_installation(tmp_path)
    worker = started(installation)
    worker.board.announce(OLD_MODEL)
    worker.live.follow()
    assert worker.live.require_bundle().model_id == OLD_MODEL
    damage(installation, NEW_MODEL)
    worker.board.announce(NEW_MODEL)
    worker.live.follow()
    assert worker.live.require_bundle().model_id == OLD_MODEL
    assert reports.health(worker).status == "degraded"
    assert worker.live._changed_to() is None


def test_an_erased_person_is_unknown_again_and_new_events_count(tmp_path):
    installation = write_installation(tmp_path)
    worker = started(installation)
    bundle = worker.live.require_bundle()
    assert identify(bundle, "u0").source == "factors"
    installation.erased_users.add("u0", NOW)
    worker.live.follow()
    asker = identify(bundle, "u0")
    assert (asker.source, len(asker.history)) == ("popularity", 0)
    later = NOW + timedelta(hours=1)
    event = Event(user_id="u0", product_id="p3", kind="purchase", at=later)
    worker.memory.acknowledge([event])
    asker = identify(bundle, "u0")
    assert (asker.source, asker.history.items.tolist()) == ("fold_in", [3])


def test_a_worker_multiplies_on_one_core(tmp_path):
    installation = write_installation(tmp_path)
    worker = Worker(installation, WorkerBoard(installation.paths.service_workers / "test"))
    with threadpool_limits(2, user_api="blas"):
        worker.start()
        try:
            assert set(blas_threads()) == {1}
        finally:
            worker.stop()
        assert set(blas_threads()) == {2}


def blas_threads():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]
