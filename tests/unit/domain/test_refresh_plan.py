import pytest

from viecomrec.domain.refresh_plan import RefreshMode, plan_refresh

NOW = {"reviews": "a", "scorer": "s", "events": "e"}


def plan(current, found, n_new_events=0, **flags):
    flags = {"force": False, "force_full": False, **flags}
    return plan_refresh(current, found, n_new_events=n_new_events, incremental_limit=100, **flags)


@pytest.mark.parametrize(
    ("current", "found", "n_new", "flags", "mode"),
    [
        (None, NOW, 0, {}, RefreshMode.FULL),
        (NOW, NOW, 0, {}, RefreshMode.SKIP),
        (NOW, NOW, 1, {}, RefreshMode.INCREMENTAL),
        (NOW, NOW, 99, {}, RefreshMode.INCREMENTAL),
        (NOW, NOW, 100, {}, RefreshMode.FULL),
        (NOW, NOW, 0, {"force": True}, RefreshMode.FULL),
        (NOW, NOW, 5, {"force": True}, RefreshMode.INCREMENTAL),
        (NOW, NOW, 5, {"force_full": True}, RefreshMode.FULL),
        (NOW, {**NOW, "reviews": "b"}, 5, {}, RefreshMode.FULL),
        (NOW, {**NOW, "scorer": "t"}, 0, {}, RefreshMode.FULL),
        (NOW, {"reviews": "a", "events": "e"}, 0, {}, RefreshMode.FULL),
        (NOW, {**NOW, "events": "f"}, 5, {}, RefreshMode.FULL),
        (NOW, {**NOW, "events": "e,f"}, 5, {}, RefreshMode.INCREMENTAL),
    ],
)
def test_the_plan_follows_from_fingerprints_counts_and_flags(current, found, n_new, flags, mode):
    assert plan(current, found, n_new, **flags).mode is mode


def test_a_full_refresh_names_what_changed():
    assert plan(NOW, {**NOW, "reviews": "b", "scorer": "t"}).reason == "changed: reviews, scorer"
