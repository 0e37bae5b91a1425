"""The guide's alert integration: the import, the call, the file, and the module at the root."""

import json
import subprocess
import sys

import doors
import pytest
from loopback import LoopbackService, running

SNIPPET = """
from {module} import send_pipeline_alert

send_pipeline_alert(
    pipeline_name="model_training",
    severity="{severity}",      # info, warning, error
    message="Training failed: CUDA OOM",
    details={{"model": "als", "epoch": 10}}
)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path


def run_snippet(project, module="scripts.utils", severity="error", **extra):
    subprocess.run(
        [sys.executable, "-c", SNIPPET.format(module=module, severity=severity)],
        cwd=doors.REPOSITORY,
        env=doors.environment(project, **extra),
        check=True,
        timeout=60,
    )


@pytest.mark.parametrize("module", ["scripts.utils", "alerting"])
@pytest.mark.parametrize("severity", ["info", "warning", "error"])
def test_an_alert_of_each_severity_is_on_record(project, module, severity):
    run_snippet(project, module, severity)
    alert = json.loads((project / "logs" / "alerts.jsonl").read_text(encoding="utf-8"))
    assert alert["pipeline_name"] == "model_training"
    assert alert["severity"] == severity
    assert alert["message"] == "Training failed: CUDA OOM"
    assert alert["details"] == {"model": "als", "epoch": 10}


def test_configured_recipients_get_the_alert(project):
    with running(LoopbackService()) as webhook:
        webhook.answer_hook = lambda _handler, _body: (200, {})
        url = webhook.url.replace("http", "json") + "/hook"
        content = {"channels": [{"name": "team", "url": url}]}
        (project / "config" / "alerting.json").write_text(json.dumps(content), encoding="utf-8")
        run_snippet(project)
        run_snippet(project)
        bodies = webhook.asked("/hook")
    assert len(bodies) == 1
    assert "Training failed: CUDA OOM" in bodies[0]["message"]
