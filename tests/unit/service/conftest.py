"""What the tests of the service's ways in share."""

import pytest
from installation import write_installation

from viecomrec.service.app import create_app


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """The door of a service that serves a small shop."""
    door = create_app(write_installation(tmp_path_factory.mktemp("shop")))
    door.worker.live.start()
    yield door
    door.worker.event_log.close()
