"""Every word that a page uses exists in both languages."""

import re
from pathlib import Path
from string import Formatter

import pytest

from viecomrec.domain.checks import _REASONS
from viecomrec.domain.deployment import Asked, DeploymentState
from viecomrec.domain.health import Level
from viecomrec.domain.occurrences import Reason, State
from viecomrec.domain.results import Status
from viecomrec.domain.runs import RunState
from viecomrec.errors import ConfigurationError
from viecomrec.service.console import words
from viecomrec.service.console.messages import reason_of
from viecomrec.service.console.models import GROUPS
from viecomrec.service.console.run_facts import COUNTS, NAMED, SAID
from viecomrec.service.console.words import WORDS, Language, name_of, translate

FOLDER = Path(words.__file__).parent
SOURCES = [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]


def used_keys():
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        for key in re.findall(r"\bt\(\s*[\"']([a-z_0-9]+)[\"']\s*[,)]", text):
            yield source.name, key


def test_every_key_that_is_used_has_words():
    missing = {(name, key) for name, key in used_keys() if key not in WORDS}
    assert not missing
    assert {kind for kind, _, _ in GROUPS} <= set(WORDS)
    assert {*COUNTS.values(), *NAMED.values(), *SAID.values()} <= set(WORDS)
    assert len(set(used_keys())) > 80


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_say_something_with_the_same_places(key):
    vietnamese, english = WORDS[key]
    assert vietnamese.strip()
    assert english.strip()
    places = [
        sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)
        for text in (vietnamese, english)
    ]
    assert places[0] == places[1]


@pytest.mark.parametrize(
    "state",
    [*RunState, *State, *DeploymentState, *Level, Status.SUCCESS, Status.SKIPPED, Status.FAILED],
)
def test_every_state_has_words(state):
    assert state.value in WORDS


def test_a_key_without_words_is_a_defect_that_names_it():
    with pytest.raises(ConfigurationError, match="no_such_key"):
        translate("no_such_key", Language.VI)


def test_a_new_job_is_called_by_its_name():
    assert name_of("", "my_job", Language.VI) == "my_job"
    assert name_of("check", "api", Language.EN) == "The recommendation service"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_not_to_run_has_words(reason):
    for language in Language:
        assert reason_of(f"{reason}: noted", language) != f"{reason} (noted)"
        assert reason_of(f"{reason}: noted", language).endswith("(noted)")


def test_what_is_noted_beside_a_reason_is_vietnamese_too():
    told = reason_of("late: 5 days, and catch_up is none", Language.VI)
    assert told == "đã quá muộn (5 ngày, và catch_up là none)"
    failed = reason_of("upstream failed: data_refresh", Language.VI)
    assert failed == "công việc trước đó thất bại (Làm mới dữ liệu)"


@pytest.mark.parametrize("rule", _REASONS)
def test_every_rule_of_quarantine_has_a_name(rule):
    assert name_of("rule", rule, Language.VI) != rule


@pytest.mark.parametrize("asked", list(Asked))
def test_every_way_to_choose_a_model_has_words(asked):
    assert f"asked_{asked.value}" in WORDS


def test_no_reason_is_no_words():
    assert reason_of(None, Language.VI) == ""
