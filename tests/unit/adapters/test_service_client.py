import threading

import loopback
import pytest
from loopback import LoopbackService, running, unused_url

from viecomrec.adapters.service_client import ServiceClient
from viecomrec.errors import (
    ConfigurationError,
    ServiceError,
    ServiceOfflineError,
    ServiceReplyLostError,
)


@pytest.fixture
def service():
    with running(LoopbackService(live="als_20250101_v1")) as served:
        yield served


@pytest.fixture
def client(service):
    return client_of(service.url)


def client_of(url, token=loopback.TOKEN, timeout_seconds=2.0):
    return ServiceClient(url, token=token, timeout_seconds=timeout_seconds)


def test_the_live_model_is_read(client):
    live = client.model_info()
    assert (live.model_id, live.installation_id, live.status) == ("als_20250101_v1", "here", "ok")


def test_pitfall_21_a_reload_names_the_model_in_its_body(client, service):
    service.models.add("als_20250102_v1")
    client.reload_model("als_20250102_v1")
    assert service.asked("/reload_model") == [{"model_id": "als_20250102_v1"}]
    assert service.live == "als_20250102_v1"


def test_nobody_listening_is_offline():
    with pytest.raises(ServiceOfflineError, match="Nobody answers"):
        client_of(unused_url()).model_info()


@pytest.mark.parametrize("token", [None, "another-token-altogether"])
def test_a_refused_token_is_a_failure_and_not_offline(service, token):
    with pytest.raises(ServiceError, match=r"refused the token \(401\)") as caught:
        client_of(service.url, token).reload_model("als_20250101_v1")
    assert not isinstance(caught.value, ServiceOfflineError | ServiceReplyLostError)


def test_the_token_goes_only_where_it_is_needed(client, service):
    seen = []
    service.fault(
        "/recommend", lambda handler: (seen.append(dict(handler.headers)), loopback.html(handler))
    )
    with pytest.raises(ServiceError):
        client.recommend("u0", 3)
    assert "Authorization" not in seen[0]


def test_html_is_named_as_what_it_is(client, service):
    service.fault("/model_info", loopback.html)
    with pytest.raises(ServiceError, match=r"no JSON.*nginx.*SERVICE_URL"):
        client.model_info()


def test_json_of_another_program_is_not_a_model(client, service):
    service.fault("/model_info", loopback.answer({"version": 3}))
    with pytest.raises(ServiceError, match="not an answer of VieComRec"):
        client.model_info()


@pytest.mark.parametrize("code", [302, 404, 409, 500])
def test_an_error_status_carries_the_message_of_the_service(client, service, code):
    service.fault("/model_info", loopback.status(code, "the disk is full"))
    with pytest.raises(ServiceError, match=f"{code}: the disk is full"):
        client.model_info()


def test_a_dropped_connection_is_a_lost_reply(client, service):
    service.fault("/reload_model", loopback.drop)
    with pytest.raises(ServiceReplyLostError):
        client.reload_model("als_20250101_v1")


@pytest.mark.parametrize("misbehave", [loopback.hang, loopback.drip])
def test_hanging_and_dripping_replies_end_within_the_limit(service, misbehave):
    stop = threading.Event()
    service.fault("/model_info", misbehave(stop))
    try:
        with pytest.raises(ServiceReplyLostError):
            client_of(service.url, timeout_seconds=0.3).model_info()
    finally:
        stop.set()


def test_an_unwell_service_still_says_what_ails_it(client, service):
    service.live = None
    assert client.health() == {"status": "empty"}


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://[::1", ""])
def test_a_wrong_address_is_a_wrong_configuration(url):
    with pytest.raises(ConfigurationError, match="SERVICE_URL"):
        client_of(url).model_info()


def test_an_endless_answer_is_cut(client, service, monkeypatch):
    monkeypatch.setattr("viecomrec.adapters.service_client.MAX_ANSWER_BYTES", 10)
    with pytest.raises(ServiceError, match="more than 10 bytes"):
        client.model_info()


def test_a_customer_is_not_shown_what_they_have_unless_asked_for(client, service):
    client.recommend("u0", 3)
    client.recommend("u0", 3, exclude_seen=False)
    assert [body["exclude_seen"] for body in service.asked("/recommend")] == [True, False]
