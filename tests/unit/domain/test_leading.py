from dataclasses import replace
from datetime import UTC, datetime

import pytest

from viecomrec.domain.leading import ProcessFacts, Role, Standing, sentence

SINCE = datetime(2026, 1, 30, 2, tzinfo=UTC)
UNTIL = datetime(2026, 1, 30, 9, 0, 15, tzinfo=UTC)
OWN = ProcessFacts(7, "machine-b", SINCE, "scheduler_1")
LEADER = ProcessFacts(9, "a", SINCE, lease_until=UNTIL)
ALONE = Standing("b", is_running=True, own=OWN, leader=None, is_shared=False)
SHARED = replace(ALONE, is_shared=True)
OURS = ProcessFacts(7, "b", SINCE, lease_until=UNTIL)


@pytest.mark.parametrize(
    ("standing", "role"),
    [
        (ALONE, Role.LEADS),
        (replace(ALONE, is_running=False, own=None), Role.NONE),
        (SHARED, Role.STANDS_BY),
        (replace(SHARED, leader=LEADER), Role.STANDS_BY),
        (replace(SHARED, leader=OURS), Role.LEADS),
        # The one that died here leads until its lease ends; the new one waits for that.
        (replace(SHARED, leader=replace(OURS, pid=6)), Role.STANDS_BY),
        # The file that tells the process was deleted a moment ago.
        (replace(SHARED, leader=OURS, own=None), Role.LEADS),
        (replace(SHARED, is_running=False, own=None, leader=LEADER), Role.NONE),
        (replace(SHARED, trouble="no answer"), Role.UNKNOWN),
    ],
)
def test_the_role_of_a_host(standing, role):
    assert standing.role is role
    assert standing.as_json()["role"] == role.value


def test_every_role_is_said_in_words():
    process = "process 7 on machine-b since 2026-01-30T02:00:00Z"
    leads = "The host a leads: process 9 since 2026-01-30T02:00:00Z, lease until "
    assert ALONE.words == f"The scheduler runs: {process}."
    assert replace(ALONE, own=None).words == "The scheduler runs."
    gone = replace(ALONE, is_running=False, own=None)
    assert gone.words.startswith("No scheduler runs. Start it with: python -m automation.scheduler")
    ours = replace(SHARED, leader=OURS).words
    assert ours.startswith(f"The scheduler of this host (b) leads: {process}, lease until 2026-01")
    waits = f"The scheduler of this host (b) stands by: {process}."
    assert SHARED.words == f"{waits} No host leads at the moment."
    assert replace(SHARED, leader=LEADER).words.startswith(f"{waits} {leads}2026-01-30T09:00:15Z.")
    elsewhere = replace(SHARED, is_running=False, own=None, leader=LEADER).words
    assert elsewhere.startswith(f"No scheduler runs on this host (b). {leads}")
    unknown = "Which host leads is not known: no answer"
    assert unknown in replace(SHARED, trouble="no answer").words
    assert unknown in replace(SHARED, is_running=False, own=None, trouble="no answer").words


def test_json_keeps_the_run_and_says_the_words_again():
    told = replace(SHARED, leader=LEADER).as_json()
    assert told["scheduler"]["run"] == "scheduler_1"
    assert told["leader"]["lease_until"] == "2026-01-30T09:00:15Z"
    assert sentence(told) == replace(SHARED, leader=LEADER).words


def test_a_scheduler_has_settled_once_it_leads_waits_or_ends():
    assert ALONE.is_settled
    assert not SHARED.is_settled
    assert replace(SHARED, leader=LEADER).is_settled
    assert replace(SHARED, trouble="away").is_settled
    assert not replace(SHARED, trouble="refused", is_refused=True).is_settled
    assert not replace(SHARED, is_running=False, own=None, leader=LEADER).is_settled
