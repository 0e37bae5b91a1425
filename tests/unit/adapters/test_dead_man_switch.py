import loopback
import pytest
from loopback import LoopbackService, running

from viecomrec.adapters.dead_man_switch import DeadManSwitch, Sign

KEY = "a-secret-key"


@pytest.fixture
def watcher():
    with running(LoopbackService()) as server:
        server.handle = lambda handler, body: (
            server.requests.append((handler.path, body)),
            loopback.send_json(handler, 200, {}),
        )
        yield server


@pytest.mark.parametrize(
    ("sign", "path"),
    [(Sign.START, "/start"), (Sign.SUCCESS, ""), (Sign.FAILURE, "/fail")],
)
def test_each_sign_has_the_path_of_healthchecks(watcher, sign, path):
    switch = DeadManSwitch({"data_refresh": f"{watcher.url}/ping/{KEY}"}, 2)
    assert switch.tell("data_refresh", sign)
    assert watcher.requests == [(f"/ping/{KEY}{path}", None)]


def test_one_address_may_serve_every_pipeline(watcher):
    switch = DeadManSwitch({"*": f"{watcher.url}/ping/{KEY}/{{pipeline}}"}, 2)
    switch.tell("model_training", Sign.FAILURE)
    assert watcher.requests[0][0] == f"/ping/{KEY}/model_training/fail"


def test_without_an_address_nothing_is_told():
    assert not DeadManSwitch({}, 2).tell("data_refresh", Sign.SUCCESS)


@pytest.mark.parametrize(
    "url",
    [f"{loopback.unused_url()}/{KEY}", f"nonsense-{KEY}", "http://["],
    ids=["away", "nonsense", "broken"],
)
def test_a_watcher_that_is_away_stops_nobody_and_its_key_stays_secret(url, capfd):
    assert not DeadManSwitch({"*": url}, 0.5).tell("data_refresh", Sign.SUCCESS)
    seen = "".join(capfd.readouterr())
    assert "data_refresh" in seen
    assert KEY not in seen
