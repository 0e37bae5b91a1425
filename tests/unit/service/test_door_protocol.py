"""What a connection does with bytes: the short way answers as the long way, or leaves it alone."""

import asyncio
import json
from dataclasses import replace

import pytest
from installation import TOKEN, write_installation
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from viecomrec.service.app import create_app
from viecomrec.service.door_protocol import DoorProtocol
from viecomrec.settings import Settings

KEEP_ALIVE = 5
DATE = (b"date", b"Sat, 31 Jan 2026 08:00:00 GMT")


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self, client="10.1.0.1"):
        self.written = b""
        self.is_closed = False
        self._addresses = {"peername": (client, 50_000), "sockname": ("127.0.0.1", 8000)}

    def write(self, data):
        self.written += data

    def get_extra_info(self, name, default=None):
        return self._addresses.get(name, default)

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    def pause_reading(self):
        pass

    resume_reading = pause_reading


class Clock:
    """The parts of a loop that a hot request needs; `pass_time` calls what has become due."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def time(self):
        return self.now

    def call_later(self, seconds, callback):
        timer = Timer(self.now + seconds, callback)
        self.timers.append(timer)
        return timer

    def pass_time(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer.at <= self.now]
        self.timers = [timer for timer in self.timers if timer.at > self.now]
        for timer in due:
            timer.ring()


class Timer:
    def __init__(self, at, ring):
        self.at, self.ring, self.is_cancelled = at, ring, False

    def cancel(self):
        self.is_cancelled = True


def connect(door, wire, loop=None, kind=DoorProtocol, **config):
    config = Config(app=door, http=kind, access_log=False, log_config=None, **config)
    config.load()
    state = ServerState()
    state.default_headers = [DATE]
    protocol = kind(config=config, server_state=state, app_state={}, _loop=loop)
    protocol.connection_made(wire)
    return protocol


def post(body=b'{"user_id": "u0"}', path=b"/recommend", version=b"1.1", headers=()):
    lines = [b"POST %b HTTP/%b" % (path, version), b"Host: shop", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def exchange(door, *chunks, kind=DoorProtocol, n_answers=1, client="10.1.0.1", **config):
    """What comes back when these bytes arrive, one chunk after another."""

    async def talk():
        wire = Wire(client)
        protocol = connect(door, wire, asyncio.get_running_loop(), kind, **config)
        for chunk in chunks:
            protocol.data_received(chunk)
            await asyncio.sleep(0)
        for _ in range(1000):
            if len(answers(wire.written)) >= n_answers:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)  # for what should not be answered
        protocol.connection_lost(None)
        return wire.written

    return answers(asyncio.run(talk()))


def answers(written):
    """(status, headers, body) of each whole answer among the bytes."""
    found = []
    while b"\r\n\r\n" in written:
        head, _, rest = written.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        length = int(headers.get(b"content-length", 0))
        found.append((int(first.split()[1]), headers, rest[:length]))
        written = rest[length:]
    return found


BODIES = [
    b'{"user_id": "u0"}',
    b'{"user_id": "nobody", "topk": 3}',
    b'{"user_id": 7}',
    b'{"topk": 3}',
    b"{",
    b"",
    b"\xff\xfe",
    '{"user_id": "khách lẻ"}'.encode(),
]


@pytest.mark.parametrize("body", BODIES)
def test_the_short_way_writes_the_very_bytes_of_uvicorn(door, body):
    assert exchange(door, post(body)) == exchange(door, post(body), kind=HttpToolsProtocol)


def test_a_plain_request_is_answered_before_anything_else_runs(door):
    wire = Wire()
    connect(door, wire, Clock()).data_received(post())
    [(status, headers, body)] = answers(wire.written)
    assert (status, headers[b"date"]) == (200, DATE[1])
    assert json.loads(body)["items"]


@pytest.mark.parametrize(
    "headers",
    [
        [b"Expect: 100-continue"],
        [b"Connection: close"],
        [b"Connection: Upgrade", b"Upgrade: h2c"],
        [b"Authorization: Bearer " + TOKEN.encode()],
    ],
)
def test_unusual_headers_change_nothing_in_the_answer(door, headers):
    hundred = 1 if headers[0].startswith(b"Expect") else 0
    kinds = (DoorProtocol, HttpToolsProtocol)
    ours, theirs = (
        exchange(door, post(headers=headers), kind=kind, n_answers=1 + hundred) for kind in kinds
    )
    assert ours == theirs
    assert ours[-1][0] in {200, 422}


@pytest.mark.parametrize("cut", [1, 30, 60, 75, 82])
def test_a_request_in_pieces_is_one_request(door, cut):
    whole = post()
    assert exchange(door, whole[:cut], whole[cut:]) == exchange(door, whole)


def test_a_chunked_body_is_read(door):
    head = b"POST /recommend HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b'8\r\n{"user_i\r\n9\r\nd": "u0"}\r\n0\r\n\r\n'
    for pieces in ([head + chunks], [head, chunks], [head + chunks[:15], chunks[15:]]):
        [(status, _, body)] = exchange(door, *pieces)
        assert (status, json.loads(body)["user_id"]) == (200, "u0")


def test_a_body_that_is_too_large_is_refused_whether_it_comes_at_once_or_not(door):
    large = post(b"x" * (door.max_body_bytes + 1))
    assert [one[0] for one in exchange(door, large)] == [413]
    assert [one[0] for one in exchange(door, large[:100], large[100:])] == [413]


def test_answers_of_a_pipeline_come_in_order(door):
    users = ["u0", "u1", "nobody", "u2"]
    bodies = [json.dumps({"user_id": user}).encode() for user in users]
    slow = b"GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"
    sent = b"".join([post(bodies[0]), slow, *map(post, bodies[1:])])
    found = exchange(door, sent, n_answers=5)
    asked = [json.loads(body).get("user_id") for _, _, body in found]
    assert asked == ["u0", None, "u1", "nobody", "u2"]


def test_what_is_no_http_is_refused(door):
    assert [one[0] for one in exchange(door, b"GET\r\n\r\n")] == [400]
    broken = b"POST /recommend HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert [one[0] for one in exchange(door, broken)] == [400]


def test_old_versions_and_other_addresses_are_left_to_the_application(door):
    [(status, headers, _)] = exchange(door, post(version=b"1.0"))
    assert (status, headers[b"connection"]) == (200, b"close")
    kept = post(version=b"1.0", headers=[b"Connection: keep-alive"])
    assert exchange(door, kept) == exchange(door, kept, kind=HttpToolsProtocol)
    assert exchange(door, post(path=b"/recommend?x=1"))[0][0] == 200
    assert exchange(door, post(path=b"/recommend/"))[0][0] in {307, 404}
    assert exchange(door, b"GET /recommend HTTP/1.1\r\nHost: shop\r\n\r\n")[0][0] == 405


def test_pitfall_38_a_client_is_limited_on_the_short_way_too_and_the_token_is_not(door):
    wire = Wire("10.1.0.2")
    protocol = connect(door, wire, Clock())
    for _ in range(400):
        protocol.data_received(post())
    statuses = [status for status, *_ in answers(wire.written)]
    assert set(statuses) == {200, 429}
    limited = next(headers for status, headers, _ in answers(wire.written) if status == 429)
    assert int(limited[b"retry-after"]) >= 1
    wire.written = b""
    protocol.data_received(post(headers=[b"Authorization: Bearer " + TOKEN.encode()]))
    assert answers(wire.written)[0][0] == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", [b"10.9.0.1"], "10.9.0.1"),
        ("127.0.0.1", [b"6.6.6.6, 10.9.0.2"], "10.9.0.2"),
        ("127.0.0.1", [b"6.6.6.6", b"10.9.0.3"], "10.9.0.3"),
        ("10.1.0.9", [b"10.9.0.4"], "10.1.0.9"),
    ],
)
def test_who_asks_is_found_behind_a_trusted_proxy_as_uvicorn_finds_it(
    door, monkeypatch, peer, forwarded, client
):
    seen = []
    limits = door._limits.seconds_to_wait
    monkeypatch.setattr(
        door._limits, "seconds_to_wait", lambda who: seen.append(who) or limits(who)
    )
    headers = [b"X-Forwarded-For: " + one for one in forwarded]
    for kind in (DoorProtocol, HttpToolsProtocol):
        exchange(door, post(headers=headers), kind=kind, client=peer)
    assert seen == [client, client]


def test_hot_requests_are_counted(door):
    before = door.worker.traffic.requests["/recommend 200"]
    exchange(door, post(), client="10.1.0.3")
    assert door.worker.traffic.requests["/recommend 200"] == before + 1


def test_a_page_of_an_allowed_origin_is_told_that_it_may_read_the_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("VIECOMREC_SERVICE__CORS_ORIGINS", '["https://shop.example"]')
    installation = write_installation(tmp_path)
    door = create_app(replace(installation, settings=Settings(admin_token=TOKEN)))
    door.worker.live.start()
    origin = [b"Origin: https://shop.example", b"Content-Type: application/json"]
    for kind in (DoorProtocol, HttpToolsProtocol):
        [(status, headers, _)] = exchange(door, post(headers=origin), kind=kind)
        assert status == 200
        assert headers[b"access-control-allow-origin"] == b"https://shop.example"
    door.worker.event_log.close()


def test_nothing_more_is_written_to_a_client_that_does_not_read(door):
    async def talk():
        wire = Wire("10.1.0.8")
        protocol = connect(door, wire, asyncio.get_running_loop())
        protocol.pause_writing()
        protocol.data_received(post())
        await asyncio.sleep(0.01)
        before = wire.written
        protocol.resume_writing()
        for _ in range(1000):
            if answers(wire.written):
                break
            await asyncio.sleep(0.01)
        return before, answers(wire.written)

    before, found = asyncio.run(talk())
    assert before == b""
    assert [status for status, *_ in found] == [200]


def test_a_connection_that_is_used_stays_open_and_one_that_is_not_is_closed(door):
    wire, clock = Wire("10.1.0.4"), Clock()
    protocol = connect(door, wire, clock, timeout_keep_alive=KEEP_ALIVE)
    for _ in range(4):
        protocol.data_received(post())
        clock.pass_time(KEEP_ALIVE - 1)
        assert not wire.is_closed
    clock.pass_time(1)
    assert wire.is_closed


def test_a_connection_is_not_closed_in_the_middle_of_a_request(door):
    wire, clock = Wire("10.1.0.5"), Clock()
    protocol = connect(door, wire, clock, timeout_keep_alive=KEEP_ALIVE)
    protocol.data_received(post())
    protocol.data_received(post()[:20])
    for _ in range(3):
        clock.pass_time(KEEP_ALIVE)
    assert not wire.is_closed


def test_a_lost_connection_leaves_no_timer(door):
    wire, clock = Wire("10.1.0.6"), Clock()
    protocol = connect(door, wire, clock, timeout_keep_alive=KEEP_ALIVE)
    protocol.data_received(post())
    protocol.connection_lost(None)
    assert [timer.is_cancelled for timer in clock.timers] == [True]


def test_one_timer_serves_many_requests(door):
    wire, clock = Wire("10.1.0.7"), Clock()
    protocol = connect(door, wire, clock, timeout_keep_alive=KEEP_ALIVE)
    for _ in range(10):
        protocol.data_received(post())
    assert len(clock.timers) == 1
