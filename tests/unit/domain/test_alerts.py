from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from viecomrec.domain import alerts as rules
from viecomrec.domain.alerts import Alert, AlertingConfig, ChannelConfig, Severity

START = datetime(2025, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alert(minutes=0, severity="error", pipeline="model_training", **details):
    return Alert(
        pipeline_name=pipeline,
        severity=severity,
        message="CUDA out of memory",
        details=details,
        at=START + timedelta(minutes=minutes),
    )


def replay(alerts):
    """The messages that a series of alerts leads to."""
    incident, messages = None, []
    for one in alerts:
        incident, message = rules.take_in(one, incident, HOUR)
        messages += [message] if message else []
    return incident, messages


@pytest.mark.parametrize("severity", ["warning", "error"])
def test_pitfall_30_the_first_alert_of_an_incident_is_sent(severity):
    incident, messages = replay([alert(severity=severity)])
    assert [one.severity for one in messages] == [severity]
    assert incident.n_alerts == 1


def test_pitfall_30_500_failures_in_a_minute_make_one_message():
    incident, messages = replay([alert(minutes=number / 500) for number in range(500)])
    assert len(messages) == 1
    assert incident.n_alerts == 500


def test_after_the_cool_down_a_reminder_says_how_many():
    _, messages = replay([alert(0), alert(30), alert(61)])
    assert len(messages) == 2
    assert messages[1].is_reminder
    assert "3 alerts so far" in messages[1].body


def test_a_worse_alert_is_sent_at_once_and_a_milder_one_waits():
    _, messages = replay([alert(0, "warning"), alert(1, "error"), alert(2, "warning")])
    assert [one.severity for one in messages] == ["warning", "error"]
    assert not messages[1].is_reminder


def test_an_information_is_sent_and_opens_nothing():
    incident, messages = replay([alert(severity="info"), alert(severity="info")])
    assert incident is None
    assert len(messages) == 2


def test_parts_of_one_pipeline_are_incidents_of_their_own():
    assert alert(incident="service/api").incident_key == "model_training/service/api"
    assert alert().incident_key == "model_training"


def test_a_clock_that_was_set_back_does_not_silence_an_incident():
    _, messages = replay([alert(0), alert(-180)])
    assert len(messages) == 2


@given(st.lists(st.integers(0, 600), min_size=1, max_size=60))
def test_between_two_messages_of_an_incident_lies_a_cool_down(minutes):
    sent_at, incident = [], None
    for minute in sorted(minutes):
        incident, message = rules.take_in(alert(minute), incident, HOUR)
        sent_at += [minute] if message else []
    assert sent_at[0] == min(minutes)
    assert all(later - earlier >= 60 for earlier, later in pairwise(sent_at))


def test_the_recovery_says_how_long_and_how_many():
    incident, _ = replay([alert(0), alert(5)])
    message = rules.recovery(incident, START + timedelta(minutes=90))
    assert message.title == "[VieComRec] model_training: recovered"
    assert "after 90 min and 2 alert(s)" in message.body


def test_a_message_fits_the_shortest_channel():
    long = alert(epoch=10, text="x" * 10_000)
    _, messages = replay([long])
    assert len(messages[0].body) <= rules.MAX_BODY_CHARACTERS
    assert "epoch: 10" in messages[0].body


def test_the_wait_doubles_up_to_the_longest():
    waits = [
        (rules.next_attempt_at(n, START, timedelta(minutes=1), HOUR) - START) for n in (1, 2, 3, 90)
    ]
    assert waits == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4), HOUR]


def test_channels_choose_by_severity():
    channels = {
        name: ChannelConfig(name=name, url="json://x", min_severity=severity)
        for name, severity in (("all", "info"), ("usual", "warning"), ("night", "error"))
    }
    assert rules.channels_for(channels, Severity.INFO) == ["all"]
    assert rules.channels_for(channels, Severity.ERROR) == ["all", "usual", "night"]


def test_a_wrong_configuration_is_refused_without_showing_an_address():
    with pytest.raises(ValidationError, match="two channels"):
        AlertingConfig.model_validate(
            {"channels": [{"name": "a", "url": "x"}, {"name": "a", "url": "y"}]}
        )
    shown = repr(ChannelConfig(name="a", url="json://user:secret@host"))
    assert "secret" not in shown
