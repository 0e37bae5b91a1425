"""The door itself, called as a server calls it."""

import asyncio
import json
from dataclasses import replace

import pytest
from installation import TOKEN, write_installation

from viecomrec.domain.api_state import ErrorAnswer
from viecomrec.service.app import create_app

TOKEN_HEADER = (b"authorization", f"Bearer {TOKEN}".encode())


def call(door, path="/recommend", parts=(b'{"user_id": "u0"}',), headers=(), client="10.0.0.1"):
    """One POST whose body arrives in parts; the status, the headers and the body of the answer."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"content-type", b"application/json"), *headers],
        "client": (client, 1234),
        "server": ("127.0.0.1", 8000),
    }
    arriving = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    sent = []

    async def receive():
        if arriving:
            return arriving.pop(0)
        return await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(body), len(arriving)


def test_the_hot_path_and_the_documented_route_give_the_same_answer(door):
    for body in (b'{"user_id": "u0", "topk": 3}', b'{"user_id": "nobody"}', b'{"topk": 3}', b"{"):
        hot, behind = call(door, parts=[body]), call(door.app, parts=[body])
        assert (hot[0], hot[2].get("items")) == (behind[0], behind[2].get("items"))


def test_pitfall_38_the_size_limit_holds_while_the_body_is_read(door):
    """No declared length is believed: the door stops reading when it has read too much."""
    part = b"x" * 500_000
    status, _, answer, n_unread = call(door, parts=[part] * 50)
    assert status == 413
    assert "2000000" in answer["detail"]
    assert n_unread > 40
    status, _, _, _ = call(door, parts=[b"x" * 2_000_001], headers=[(b"content-length", b"5")])
    assert status == 413


def test_every_address_is_described_with_what_the_door_refuses(door):
    described = door.app.openapi()
    error = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for status in ("408", "413", "429"):
                answer = operation["responses"][status]["content"]["application/json"]
                assert answer["schema"] == error, (path, status)
    limited = described["paths"]["/recommend"]["post"]["responses"]["429"]
    assert limited["headers"]["Retry-After"]["schema"] == {"type": "integer"}


def test_a_body_in_many_parts_is_one_body(door):
    status, _, answer, _ = call(door, parts=[b'{"user_', b'id": ', b'"u0"}'])
    assert (status, answer["user_id"]) == (200, "u0")


def test_a_body_that_never_ends_is_given_up(door):
    door._body_seconds = 0.05
    try:
        assert asyncio.run(_never_ending(door, [b"{"])) == 408
        assert asyncio.run(_never_ending(door, [])) == 408
    finally:
        door._body_seconds = 15.0


async def _never_ending(door, parts):
    """Headers that promise a body of which only `parts` arrive."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/recommend",
        "headers": [TOKEN_HEADER, (b"content-length", b"5")],
        "client": ("10.0.0.2", 1),
    }
    sent = []
    first = [{"type": "http.request", "body": part, "more_body": True} for part in parts]

    async def receive():
        if first:
            return first.pop()
        return await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    await door(scope, receive, send)
    return sent[0]["status"]


def test_pitfall_38_a_client_is_limited_and_the_shops_backend_is_not(door):
    answers = [call(door, client="10.0.0.7")[0:2] for _ in range(400)]
    limited = [headers for status, headers in answers if status == 429]
    assert limited
    assert int(limited[0][b"retry-after"]) >= 1
    assert call(door, client="10.0.0.8")[0] == 200
    with_token = {call(door, client="10.0.0.7", headers=[TOKEN_HEADER])[0] for _ in range(400)}
    assert with_token == {200}


@pytest.mark.parametrize(("n_workers", "share"), [(1, (100, 200)), (3, (34, 67)), (300, (1, 1))])
def test_workers_together_grant_a_client_what_the_settings_say(tmp_path, n_workers, share):
    installation = write_installation(tmp_path)
    settings = installation.settings
    service = settings.service.model_copy(update={"workers": n_workers})
    settings = settings.model_copy(update={"service": service})
    door = create_app(replace(installation, settings=settings))
    door.worker.event_log.close()
    assert (door._limits.requests_per_second, door._limits.burst) == share


def test_a_defect_is_answered_without_a_trace(door, monkeypatch):
    def broken(*_):
        raise RuntimeError(f"a secret in {door.worker.live.root}")

    monkeypatch.setattr("viecomrec.service.front_door.recommend", broken)
    status, _, answer, _ = call(door, client="10.0.0.3")
    assert status == 500
    assert answer == {"detail": "Internal error; the log of the service says what happened"}


def test_requests_are_counted_by_address_and_status(door):
    before = door.worker.traffic.requests["/recommend 200"]
    call(door, client="10.0.0.4")
    assert door.worker.traffic.requests["/recommend 200"] == before + 1
    call(door, path="/no/such/address", client="10.0.0.4")
    assert door.worker.traffic.requests["other 404"] >= 1


@pytest.mark.parametrize(
    "value", [b"Bearer wrong", b"bearer", b"Basic x", TOKEN.encode(), b"Bearer \xff\xfe"]
)
def test_only_the_token_itself_opens(door, value):
    status, *_ = call(
        door,
        "/reload_model",
        parts=[b'{"model_id": "x"}'],
        headers=[(b"authorization", value)],
        client="10.0.0.5",
    )
    assert status == 401


def test_the_word_bearer_has_no_case(door):
    header = (b"authorization", f"bearer {TOKEN}".encode())
    assert call(door, "/reload_model", [b'{"model_id": "x"}'], [header])[0] == 404
