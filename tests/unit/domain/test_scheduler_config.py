import json

import pytest

from viecomrec.domain.scheduler_config import CatchUp, parse_config
from viecomrec.errors import ConfigurationError

JOB = {"schedule": {"hour": 2}, "module": "automation.data_refresh"}


def config(**jobs):
    return {"timezone": "Asia/Ho_Chi_Minh", "jobs": jobs}


def parse(**jobs):
    return parse_config(config(**jobs), "scheduler_config.json")


def test_optional_keys_have_their_defaults():
    job = parse(data_refresh=JOB).job("data_refresh")
    assert (job.enabled, job.args, job.after, job.retries) == (True, (), (), 0)
    assert (job.timeout_seconds, job.catch_up, job.require_fresh) == (21600, CatchUp.LATEST, False)


def test_all_optional_keys_are_read():
    job = parse(
        data_refresh=JOB,
        x={
            **JOB,
            "enabled": False,
            "description": "d",
            "args": ["--force"],
            "timeout_seconds": 90,
            "after": "data_refresh",
            "require_fresh": True,
            "catch_up": "none",
            "retries": 2,
        },
    ).job("x")
    assert (job.enabled, job.description, job.args) == (False, "d", ("--force",))
    assert (job.timeout_seconds, job.after, job.require_fresh) == (90, ("data_refresh",), True)
    assert (job.catch_up, job.retries) == (CatchUp.NONE, 2)


def test_training_waits_for_refresh_and_deployment_for_training_unless_configured_otherwise():
    jobs = parse(model_deployment=JOB, model_training=JOB, data_refresh=JOB)
    assert jobs.job("model_training").after == ("data_refresh",)
    assert jobs.job("model_deployment").after == ("model_training",)
    assert list(jobs.jobs) == ["data_refresh", "model_training", "model_deployment"]
    assert (
        parse(model_training={**JOB, "after": []}, data_refresh=JOB).job("model_training").after
        == ()
    )
    assert parse(model_training=JOB).job("model_training").after == ()


def test_the_shipped_file_is_the_guides_plus_a_monthly_cleanup(repository):
    shipped = json.loads((repository / "config" / "scheduler_config.json").read_text("utf-8"))
    defaults = repository / "viecomrec" / "defaults" / "scheduler_config.json"
    assert json.loads(defaults.read_text("utf-8")) == shipped
    cleanup = shipped["jobs"].pop("cleanup")
    assert cleanup["module"] == "automation.cleanup"
    assert cleanup["schedule"] == {"day": 1, "hour": 4, "minute": 0}
    assert shipped == GUIDE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheduel": {}}, r"job x: the key 'scheduel' is not allowed; use enabled, description"),
        ({"enabled": "yes"}, "enabled is 'yes'; allowed is true or false"),
        ({"args": "--force"}, "args is '--force'; allowed is a list of texts"),
        ({"module": "os"}, r"module is 'os'; allowed is a door such as automation\.data_refresh"),
        ({"module": "automation.x.y"}, "module is"),
        ({"module": "automation.scheduler"}, "module is"),
        ({"module": 3}, "module is 3"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0; allowed is a number of seconds above 0"),
        ({"timeout_seconds": True}, "timeout_seconds is True"),
        ({"after": "nobody"}, "after is .'nobody'.; allowed is names of other jobs: data_refresh"),
        ({"after": ["x"]}, "after is"),
        ({"after": 5}, "after is 5"),
        ({"catch_up": "all"}, "catch_up is 'all'; allowed is latest or none"),
        ({"catch_up": []}, r"catch_up is \[\]"),
        ({"retries": 11}, "retries is 11; allowed is 0 to 10"),
        ({"retries": 1.5}, "retries is 1.5"),
        ({"require_fresh": 1}, "require_fresh is 1"),
        ({"description": 1}, "description is 1"),
        ({"schedule": {"minute": 61}}, "job x: schedule: minute is 61"),
    ],
)
def test_a_wrong_value_names_file_job_key_value_and_what_is_allowed(changes, message):
    with pytest.raises(ConfigurationError, match=rf"scheduler_config\.json: .*{message}"):
        parse(data_refresh=JOB, x={**JOB, **changes})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be an object with an object `jobs`"),
        ({"jobs": []}, "must be an object with an object `jobs`"),
        ({"jobs": {}, "tz": "UTC"}, "the key 'tz' is not allowed; use timezone, jobs"),
        ({"jobs": {}, "timezone": 7}, "timezone is 7"),
        ({"jobs": {"x": 1}}, "job x: it must be an object"),
        ({"jobs": {"x": {"schedule": {"hour": 1}}}}, "job x: the key module is missing"),
        ({"jobs": {"../x": JOB}}, "the name '../x' is not allowed"),
        (
            config(a={**JOB, "after": "b"}, b={**JOB, "after": "a"}),
            "the jobs wait for each other: ",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong(content, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_config(content, "scheduler_config.json")


@pytest.mark.parametrize("module", ["os", "automation.x.y", "viecomrec.adapters.locks", "../x"])
def test_pitfall_36_only_doors_may_be_run(module):
    with pytest.raises(ConfigurationError, match="allowed is a door such as automation"):
        parse(data_refresh={**JOB, "module": module})


@pytest.mark.parametrize("weekday", ["someday", "0", 0, 7, "sun-xyz"])
def test_pitfall_32_an_unknown_weekday_is_refused(weekday):
    with pytest.raises(ConfigurationError, match="allowed are the names mon"):
        parse(data_refresh={**JOB, "schedule": {"day_of_week": weekday}})


def test_an_unknown_job_is_answered_with_those_that_exist():
    with pytest.raises(ConfigurationError, match="no job 'x'; the configuration has data_refresh"):
        parse(data_refresh=JOB).job("x")


GUIDE = json.loads("""
{
  "timezone": "Asia/Ho_Chi_Minh",
  "jobs": {
    "data_refresh": {
      "enabled": true,
      "description": "Daily data refresh from raw CSV files",
      "schedule": {"hour": 2, "minute": 0},
      "module": "automation.data_refresh",
      "args": []
    },
    "bert_embeddings": {
      "enabled": true,
      "schedule": {"day_of_week": "tue", "hour": 3, "minute": 0},
      "module": "automation.bert_embeddings"
    },
    "drift_detection": {
      "enabled": true,
      "schedule": {"day_of_week": "mon", "hour": 9, "minute": 0},
      "module": "automation.drift_detection"
    },
    "model_training": {
      "enabled": true,
      "schedule": {"day_of_week": "sun", "hour": 3, "minute": 0},
      "module": "automation.model_training",
      "args": ["--auto-select"]
    },
    "model_deployment": {
      "enabled": true,
      "schedule": {"hour": 5, "minute": 0},
      "module": "automation.model_deployment"
    },
    "health_check": {
      "enabled": true,
      "schedule": {"minute": 0},
      "module": "automation.health_check"
    }
  }
}
""")
