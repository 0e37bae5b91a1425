"""The configured jobs as Kubernetes CronJobs, as plain JSON that `kubectl apply -f` reads."""

import re
from dataclasses import dataclass
from typing import Any

from viecomrec.domain.schedule_export import (
    command_of,
    cron_fields,
    enabled_jobs,
    longest_seconds,
)
from viecomrec.domain.scheduler_config import CatchUp, Job, SchedulerConfig
from viecomrec.errors import ConfigurationError

MANIFEST_FILE = "viecomrec.cronjobs.json"
PROJECT = "/shop"
USER = 10001
"""The user of the image; the Dockerfile names the same."""

SECRET = "viecomrec"  # noqa: S105 - the name of a Secret, not its content
_MAX_NAME = 52
"""Kubernetes appends eleven letters to the name of a CronJob, and 63 is the limit of a Job's."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/@-]*")
_CATCH_UP_SECONDS = 86_400
_SHORT_CATCH_UP_SECONDS = 3600
_MAX_MISSED = 90
"""Kubernetes complains of more than 100 missed times within the deadline."""

_ON_TIME_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """Where the jobs run: the image with this package, and the claim that holds the shop."""

    image: str
    claim: str

    def __post_init__(self) -> None:
        if not _IMAGE.fullmatch(self.image):
            raise ConfigurationError(
                f"--image {self.image!r} is no image; use a name such as "
                "registry.example/viecomrec:0.1.0."
            )
        if not _NAME.fullmatch(self.claim):
            raise ConfigurationError(
                f"--claim {self.claim!r} is no name of a PersistentVolumeClaim; use small letters, "
                "digits and -."
            )


def cron_jobs(config: SchedulerConfig, zone: str, cluster: Cluster) -> dict[str, Any]:
    """A List of one CronJob for each enabled job.

    ConfigurationError for a schedule or a name that Kubernetes cannot have.
    """
    items = [_cron_job(job, zone, cluster) for job in enabled_jobs(config)]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _cron_job(job: Job, zone: str, cluster: Cluster) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "viecomrec", "app.kubernetes.io/component": job.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": _name(job),
            "labels": labels,
            "annotations": {"description": job.description or f"VieComRec: {job.name}"},
        },
        "spec": {
            "schedule": cron_fields(job),
            "timeZone": zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _starting_deadline(job),
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": _job(job, zone, cluster, labels)},
        },
    }


def _job(job: Job, zone: str, cluster: Cluster, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "activeDeadlineSeconds": longest_seconds(job),
        "backoffLimit": job.retries,
        # A command that failed has had its retries; the limit is for pods that were lost.
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": "job",
                        "operator": "In",
                        "values": [1, 2],
                    },
                }
            ]
        },
        "template": {"metadata": {"labels": labels}, "spec": _pod(job, zone, cluster)},
    }


def _pod(job: Job, zone: str, cluster: Cluster) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "job",
                "image": cluster.image,
                "command": command_of(job, "python"),
                "workingDir": PROJECT,
                "env": [
                    {"name": "PROJECT_DIR", "value": PROJECT},
                    {"name": "TZ", "value": zone},
                ],
                "envFrom": [{"secretRef": {"name": SECRET, "optional": True}}],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [
                    {"name": "shop", "mountPath": PROJECT},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
                ],
            }
        ],
        "volumes": [
            {"name": "shop", "persistentVolumeClaim": {"claimName": cluster.claim}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _name(job: Job) -> str:
    name = f"viecomrec-{job.name}".replace("_", "-")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"The job {job.name} cannot be a CronJob: {name!r} must have at most {_MAX_NAME} "
            "letters and end in a letter or digit. Rename the job."
        )
    return name


def _starting_deadline(job: Job) -> int:
    """How late a missed time may still start."""
    if job.catch_up is CatchUp.NONE:
        return _ON_TIME_SECONDS
    times_a_day = len(job.schedule.hour) * len(job.schedule.minute)
    return _CATCH_UP_SECONDS if times_a_day <= _MAX_MISSED else _SHORT_CATCH_UP_SECONDS
