import threading
from datetime import UTC, datetime

import pytest
from installation import write_installation

from viecomrec.adapters.staging import StagingLog
from viecomrec.domain.events import Event
from viecomrec.service.bundle import empty_fresh_events
from viecomrec.service.event_memory import EventMemory


class HaltedLog(StagingLog):
    """A log whose reading takes until the test lets it go on."""

    def __init__(self, folder):
        super().__init__(folder)
        self.is_reading, self.may_go_on = threading.Event(), threading.Event()

    def read_from(self, position):
        found = super().read_from(position)
        self.is_reading.set()
        assert self.may_go_on.wait(60)
        return found


def event(product):
    return Event(user_id="u", product_id=product, kind="view", at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def installation(tmp_path):
    return write_installation(tmp_path)


@pytest.mark.parametrize("reading", ["poll", "restart"])
def test_pitfall_39_acknowledging_never_waits_for_a_reading_and_nothing_gets_lost(
    installation, reading
):
    log = HaltedLog(installation.paths.staging)
    memory = EventMemory(empty_fresh_events(installation), log, installation.erased_users)
    log.append([event("p0")])
    reader = threading.Thread(target=getattr(memory, reading))
    reader.start()
    assert log.is_reading.wait(60)
    log.append([event("p1")])
    acknowledging = threading.Thread(target=memory.acknowledge, args=([event("p1")],))
    acknowledging.start()
    acknowledging.join(timeout=60)
    is_done = not acknowledging.is_alive()
    log.may_go_on.set()
    reader.join()
    acknowledging.join()
    assert is_done
    assert sorted(one.product_id for one in memory.fresh.of("u")) == ["p0", "p1"]


def test_a_restart_forgets_what_the_log_no_longer_holds(installation):
    log = StagingLog(installation.paths.staging)
    memory = EventMemory(empty_fresh_events(installation), log, installation.erased_users)
    memory.acknowledge([event("merged")])
    log.append([event("waiting")])
    memory.restart()
    assert [one.product_id for one in memory.fresh.of("u")] == ["waiting"]
