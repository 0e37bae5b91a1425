"""The twins keep pace with what the pipelines really say."""

import ast
import inspect
import textwrap
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from viecomrec.domain.drift import (
    DriftLimits,
    Window,
    compare_popularity,
    compare_rate,
    compare_ratings,
)
from viecomrec.domain.drift_report import summarise
from viecomrec.domain.incremental import FALLBACK_MESSAGE, IncrementalUpdate
from viecomrec.domain.refresh_plan import plan_refresh
from viecomrec.domain.selection import Contender, choose_champion
from viecomrec.pipelines.model_deployment import PENDING_MESSAGE
from viecomrec.pipelines.model_training import NO_NEW_DATA
from viecomrec.pipelines.occurrence import ALREADY_RUNNING
from viecomrec.service.console.messages import twin_of
from viecomrec.service.console.words import Language


def window(ratings, items, weekly):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Window(start, start + timedelta(weeks=max(len(weekly), 1)), ratings, items, weekly)


BEFORE = window((10, 20, 100, 2000, 3000), {"a": 3000, "b": 2130}, (1300, 1280, 1290, 1260))
NOW = window((3000, 2000, 100, 20, 10), {"c": 4000, "d": 1130}, (5130,))


def compared(recent):
    rng, limits = np.random.default_rng(0), DriftLimits()
    return [
        compare(BEFORE, recent, limits, rng)
        for compare in (compare_ratings, compare_popularity, compare_rate)
    ]


@pytest.mark.parametrize(
    "message", [FALLBACK_MESSAGE, PENDING_MESSAGE, NO_NEW_DATA, ALREADY_RUNNING]
)
def test_what_the_pipelines_say_has_a_twin(message):
    assert twin_of(message, Language.VI) not in {None, message}


def contender(name, mean, *, above=True):
    values = mean + np.random.default_rng(1).normal(0, 0.05, 400)
    return Contender(name, f"recipe of {name}", values, above, is_useful_alone=True)


OLD = contender("old", 0.25)


@pytest.mark.parametrize(
    ("contenders", "champion"),
    [
        ([contender("a", 0.2, above=False)], None),
        ([OLD], None),
        ([OLD, contender("a", 0.2)], OLD.recipe_key),
        ([OLD, contender("a", 0.3)], OLD.recipe_key),
        ([OLD, contender("a", 0.25 + 1e-9)], OLD.recipe_key),
    ],
)
def test_every_reason_for_a_champion_has_a_twin(contenders, champion):
    _, reason = choose_champion(contenders, champion, np.random.default_rng(0))
    assert twin_of(reason, Language.VI) is not None, reason


@pytest.mark.parametrize(
    ("current", "found", "n_new", "asked"),
    [
        (None, {}, 0, ""),
        ({"a": "1"}, {"a": "1"}, 0, "force_full"),
        ({"a": "1"}, {"a": "2", "b": "1"}, 0, ""),
        ({"a": "1"}, {"a": "1"}, 200, ""),
        ({"a": "1"}, {"a": "1"}, 7, ""),
        ({"a": "1"}, {"a": "1"}, 0, "force"),
        ({"a": "1"}, {"a": "1"}, 0, ""),
    ],
)
def test_every_reason_for_a_kind_of_refresh_has_a_twin(current, found, n_new, asked):
    plan = plan_refresh(
        current,
        found,
        n_new_events=n_new,
        incremental_limit=100,
        force=asked == "force",
        force_full=asked == "force_full",
    )
    assert twin_of(plan.reason, Language.VI) is not None, plan.reason


def test_every_obstacle_to_an_incremental_refresh_has_a_twin():
    tree = ast.parse(textwrap.dedent(inspect.getsource(IncrementalUpdate.obstacle)))
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    said = [value.value for value in returned if isinstance(value, ast.Constant) and value.value]
    assert len(said) > 2
    for message in [*said, "new products: p1, p2"]:
        assert twin_of(message, Language.VI) is not None, message


@pytest.mark.parametrize("recent", [NOW, BEFORE])
def test_the_evidence_and_the_summary_of_drift_have_twins(recent):
    found = compared(recent)
    for text in (summarise(*found), *(one.evidence for one in found)):
        twin = twin_of(text, Language.VI)
        assert twin is not None, text
        assert not {"events", "products", "only", "weeks", "differ"} & set(twin.split())


def test_names_and_numbers_stay_with_the_decimal_comma():
    assert twin_of("Deployed als_20260131_v1", Language.VI) == "Đã triển khai als_20260131_v1"
    assert twin_of("4 full weeks in the baseline, 7.5 recent days", Language.VI) == (
        "4 tuần trọn vẹn trong mốc, 7,5 ngày gần đây"
    )


@pytest.mark.parametrize("message", ["Something else", "No new data and more", "", None])
def test_an_unknown_message_has_no_twin(message):
    assert twin_of(message, Language.VI) is None


def test_english_pages_show_what_is_on_record():
    assert twin_of("No drift", Language.EN) is None
