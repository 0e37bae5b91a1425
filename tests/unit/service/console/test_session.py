"""A session is what the admin token signed, for a while, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from viecomrec.service.console.session import SESSION_LASTS, TICKET_LASTS, Keys

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def keys():
    return Keys("the-token")


def test_a_session_is_valid_until_it_expires(keys):
    session = keys.new_session(NOW)
    assert keys.is_session(session, NOW)
    assert keys.is_session(session, NOW + SESSION_LASTS - SECOND)
    assert not keys.is_session(session, NOW + SESSION_LASTS)


def test_a_ticket_is_valid_for_minutes_only(keys):
    ticket = keys.new_ticket(NOW)
    assert keys.is_ticket(ticket, NOW + TICKET_LASTS - SECOND)
    assert not keys.is_ticket(ticket, NOW + TICKET_LASTS)


def test_a_ticket_is_no_session_and_a_session_no_ticket(keys):
    assert not keys.is_session(keys.new_ticket(NOW), NOW)
    assert not keys.is_ticket(keys.new_session(NOW), NOW)


def test_two_sessions_differ(keys):
    assert keys.new_session(NOW) != keys.new_session(NOW)


def test_another_token_ends_every_session(keys):
    assert not Keys("another").is_session(keys.new_session(NOW), NOW)


def test_a_later_expiry_needs_a_new_signature(keys):
    expiry, nonce, signature = keys.new_session(NOW).split(".")
    assert not keys.is_session(f"{int(expiry) + 9999}.{nonce}.{signature}", NOW)


@pytest.mark.parametrize("value", [None, "", ".", "..", "a.b.c", "9999999999.x.", "ü.ü.ü"])
def test_what_was_never_signed_is_no_session(keys, value):
    assert not keys.is_session(value, NOW)


def test_a_csrf_token_belongs_to_one_session(keys):
    one, other = keys.new_session(NOW), keys.new_session(NOW)
    assert keys.is_csrf(keys.csrf(one), one)
    assert not keys.is_csrf(keys.csrf(one), other)
    assert not keys.is_csrf("", one)


def test_the_token_never_stands_in_what_is_given_out(keys):
    session = keys.new_session(NOW)
    assert "the-token" not in session + keys.csrf(session) + keys.new_ticket(NOW)


def test_the_token_is_recognised_with_blanks_around_it(keys):
    assert keys.is_token(" the-token\n")
    assert not keys.is_token("the-tokem")
    assert not keys.is_token("")
