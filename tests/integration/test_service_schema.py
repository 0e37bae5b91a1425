"""The service against its own description, by generated requests."""

import importlib.util
import os
import subprocess
import sys

import pytest
from installation import TOKEN, write_installation
from server import running_service

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance"
)
ADDRESSES = (
    "^/(recommend|batch_recommend|similar_items|search.*|ingest.*|health|ready|model_info|stats"
    "|reload_model|metrics|scheduler.*)$"
)


@pytest.mark.slow
def test_no_request_finds_a_server_error_a_hang_or_an_answer_outside_the_schema(tmp_path):
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed; make fuzz installs it")
    write_installation(tmp_path)
    with running_service(tmp_path) as client:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                f"{client.base_url}/openapi.json",
                *("--include-path-regex", ADDRESSES, "--checks", CHECKS),
                *("--header", f"Authorization: Bearer {TOKEN}", "--request-timeout", "10"),
                *("--phases", "examples,coverage,fuzzing", "--continue-on-failure"),
                *("--max-examples", os.environ.get("VIECOMREC_FUZZ_EXAMPLES", "20")),
                *("--seed", "1", "--no-color"),
            ],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert client.get("/health").json()["status"] in {"healthy", "degraded"}
    assert done.returncode == 0, done.stdout[-6000:]
