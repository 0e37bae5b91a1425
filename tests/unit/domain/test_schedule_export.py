import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from viecomrec.domain.schedule_export import calendar_event, crontab, systemd_units
from viecomrec.domain.scheduler_config import parse_config
from viecomrec.errors import ConfigurationError

ZONE = "Asia/Ho_Chi_Minh"
PROJECT = PurePosixPath("/srv/my shop")


def config(**jobs):
    content = {name: {"module": f"automation.{name}", **entry} for name, entry in jobs.items()}
    return parse_config({"jobs": content}, "test")


@pytest.mark.parametrize(
    ("schedule", "event", "fields"),
    [
        ({"hour": 2, "minute": 0}, "*-*-* 02:00:00", "00 02 * * *"),
        ({"minute": 0}, "*-*-* *:00:00", "00 * * * *"),
        ({"day_of_week": "sun", "hour": 3}, "Sun *-*-* 03:00:00", "00 03 * * 0"),
        (
            {"day_of_week": "mon-fri", "hour": 9},
            "Mon,Tue,Wed,Thu,Fri *-*-* 09:00:00",
            "00 09 * * 1,2,3,4,5",
        ),
        ({"day": 1, "hour": 4}, "*-*-01 04:00:00", "00 04 01 * *"),
        ({"month": "1,7", "day": 1}, "*-01,07-01 00:00:00", "00 00 01 01,07 *"),
    ],
)
def test_a_schedule_is_said_in_the_words_of_systemd_and_cron(schedule, event, fields):
    jobs = config(cleanup={"schedule": schedule})
    assert calendar_event(jobs.job("cleanup"), ZONE) == f"{event} {ZONE}"
    line = crontab(jobs, ZONE, "/py", PROJECT).splitlines()[-1]
    assert line.startswith(f"{fields} cd '/srv/my shop' && /py -m automation.cleanup ")


def test_the_exported_commands_are_done_once_whoever_fires_and_disabled_jobs_are_left_out():
    jobs = config(
        data_refresh={"schedule": {"hour": 2}, "catch_up": "none", "timeout_seconds": 90},
        model_training={"schedule": {"hour": 3}, "args": ["--model", "100%"]},
        cleanup={"schedule": {"hour": 4}, "enabled": False},
    )
    units = systemd_units(jobs, ZONE, "/py", PROJECT)
    assert sorted(units) == [
        "viecomrec-data_refresh.service",
        "viecomrec-data_refresh.timer",
        "viecomrec-model_training.service",
        "viecomrec-model_training.timer",
    ]
    service = units["viecomrec-data_refresh.service"]
    assert (
        "ExecStart=/py -m automation.data_refresh --occurrence latest --as-configured\n" in service
    )
    assert 'Environment="PROJECT_DIR=/srv/my shop"\n' in service
    assert "TimeoutStartSec=90\n" in service
    assert "Persistent=false\n" in units["viecomrec-data_refresh.timer"]
    assert '"100%%"' in units["viecomrec-model_training.service"]
    assert "Persistent=true\n" in units["viecomrec-model_training.timer"]
    assert "100\\%" in crontab(jobs, ZONE, "/py", PROJECT)


def test_a_job_under_another_name_than_its_door_is_refused():
    jobs = config(night={"schedule": {"hour": 2}, "module": "automation.data_refresh"})
    with pytest.raises(ConfigurationError, match="Name the job data_refresh"):
        systemd_units(jobs, ZONE, "/py", PROJECT)


def test_days_and_weekdays_together_cannot_be_said_to_cron():
    jobs = config(cleanup={"schedule": {"day": 1, "day_of_week": "mon"}})
    with pytest.raises(ConfigurationError, match="cron would run it on either"):
        crontab(jobs, ZONE, "/py", PROJECT)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_exported_units(repository, tmp_path):
    import json
    import sys

    shipped = json.loads((repository / "config" / "scheduler_config.json").read_text("utf-8"))
    units = systemd_units(parse_config(shipped, "f"), ZONE, sys.executable, tmp_path)
    for name, content in units.items():
        (tmp_path / name).write_text(content, "utf-8")
    command = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
