import json

import pytest

from viecomrec.domain.kubernetes_export import Cluster, cron_jobs
from viecomrec.domain.scheduler_config import parse_config
from viecomrec.errors import ConfigurationError

ZONE = "Asia/Ho_Chi_Minh"
CLUSTER = Cluster("registry.example/viecomrec:0.1.0", "shop")


def config(**jobs):
    content = {name: {"module": f"automation.{name}", **entry} for name, entry in jobs.items()}
    return parse_config({"jobs": content}, "test")


def spec_of(**jobs):
    (item,) = cron_jobs(config(**jobs), ZONE, CLUSTER)["items"]
    return item["spec"]


def test_a_job_keeps_its_times_zone_limits_and_never_overlaps():
    spec = spec_of(
        data_refresh={"schedule": {"hour": 2}, "timeout_seconds": 90.5, "retries": 1},
    )
    assert (spec["schedule"], spec["timeZone"]) == ("00 02 * * *", ZONE)
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] == 2 * 90.5 + 60
    assert job["backoffLimit"] == 1
    container = job["template"]["spec"]["containers"][0]
    assert container["command"] == [
        *("python", "-m", "automation.data_refresh"),
        *("--occurrence", "latest", "--as-configured"),
    ]
    assert {"name": "TZ", "value": ZONE} in container["env"]


@pytest.mark.parametrize(
    ("schedule", "catch_up", "seconds"),
    [
        ({"hour": 2}, "latest", 86_400),
        ({"minute": "*/5"}, "latest", 3600),
        ({"hour": 2}, "none", 60),
    ],
)
def test_a_missed_time_may_start_as_late_as_catch_up_says(schedule, catch_up, seconds):
    spec = spec_of(cleanup={"schedule": schedule, "catch_up": catch_up})
    assert spec["startingDeadlineSeconds"] == seconds


def test_pods_run_without_rights_and_no_secret_stands_in_the_manifest():
    pod = spec_of(cleanup={"schedule": {"hour": 4}})["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert {one["name"] for one in container["env"]} == {"PROJECT_DIR", "TZ"}
    assert container["envFrom"] == [{"secretRef": {"name": "viecomrec", "optional": True}}]


def test_disabled_jobs_are_left_out_and_upstream_ones_come_first():
    jobs = config(
        model_training={"schedule": {"hour": 3}},
        data_refresh={"schedule": {"hour": 2}},
        cleanup={"schedule": {"hour": 4}, "enabled": False},
    )
    names = [item["metadata"]["name"] for item in cron_jobs(jobs, ZONE, CLUSTER)["items"]]
    assert names == ["viecomrec-data-refresh", "viecomrec-model-training"]


def test_a_name_that_kubernetes_cannot_have_is_refused():
    with pytest.raises(ConfigurationError, match="Rename the job"):
        cron_jobs(config(cleanup_={"schedule": {"hour": 4}}), ZONE, CLUSTER)
    with pytest.raises(ConfigurationError, match="at most 52"):
        cron_jobs(config(**{"a" * 60: {"schedule": {"hour": 4}}}), ZONE, CLUSTER)


@pytest.mark.parametrize(
    ("image", "claim", "named"),
    [("", "shop", "--image"), ("a b", "shop", "--image"), ("viecomrec", "Shop_1", "--claim")],
)
def test_an_image_or_claim_that_cannot_exist_is_refused(image, claim, named):
    with pytest.raises(ConfigurationError, match=named):
        Cluster(image, claim)


def test_the_schema_of_kubernetes_accepts_every_shipped_job(repository):
    validator = pytest.importorskip(
        "kubernetes_validate", reason="needs kubernetes-validate (the extra dev installs it)"
    )
    shipped = json.loads((repository / "config" / "scheduler_config.json").read_text("utf-8"))
    items = cron_jobs(parse_config(shipped, "f"), ZONE, CLUSTER)["items"]
    assert len(items) == len(shipped["jobs"])
    for item in items:
        validator.validate(item, "1.31", strict=True)
