from automation.scheduler_view import render_history, render_status

STATUS = {
    "running": True,
    "role": "leads",
    "host": "shop",
    "leader": None,
    "shares_database": False,
    "trouble": None,
    "scheduler": {"pid": 7, "host": "shop", "since": "2026-01-30T02:00:00Z"},
    "timezone": "Asia/Ho_Chi_Minh",
    "jobs": {
        "model_training": {
            "enabled": True,
            "state": "running",
            "for": "12 min",
            "progress": "iteration 3 of 15",
            "next_run": "2026-02-08T03:00:00+07:00",
            "last": None,
        },
        "data_refresh": {
            "enabled": False,
            "state": "idle",
            "next_run": None,
            "last": {
                "status": "failed",
                "timestamp": "2026-01-30T02:00:03",
                "exit_code": 1,
                "error": "x" * 200,
                "log_file": "logs/x.log",
            },
        },
    },
}


def test_status_is_a_table_a_person_can_read():
    lines = render_status(STATUS).splitlines()
    assert lines[0] == "The scheduler runs: process 7 on shop since 2026-01-30T02:00:00Z."
    assert lines[1] == "Times in Asia/Ho_Chi_Minh."
    assert lines[3].split("  ")[0] == "JOB"
    assert "running for 12 min" in lines[4]
    assert lines[4].endswith("2026-02-08T03:00:00  iteration 3 of 15")
    assert "idle (disabled)" in lines[5]
    assert lines[5].endswith("x...")
    assert len({line.index("  ") for line in lines[3:4]}) == 1


def test_status_without_a_scheduler_says_how_to_start_one():
    text = render_status({**STATUS, "running": False, "role": "none", "scheduler": None})
    assert text.startswith("No scheduler runs. Start it with: python -m automation.scheduler start")
    assert render_status({**STATUS, "scheduler": None}).startswith("The scheduler runs.\n")


def test_history_answers_why_training_did_not_run_on_sunday():
    rows = [
        {
            "nominal": "2026-02-01T03:00:00+07:00",
            "job": "model_training",
            "state": "skipped",
            "cause": "schedule",
            "reason": "upstream failed: data_refresh",
        },
        {
            "nominal": "2026-02-01T02:00:00+07:00",
            "job": "data_refresh",
            "state": "ran",
            "cause": "schedule",
            "exit_code": 1,
            "error": "no file",
        },
        {
            "nominal": "2026-01-31T02:00:00+07:00",
            "job": "data_refresh",
            "state": "ran",
            "cause": "catch_up",
            "exit_code": 0,
        },
    ]
    lines = render_history(rows).splitlines()
    assert lines[1].split() == [
        "2026-02-01T03:00:00", "model_training", "skipped", "schedule",
        "upstream", "failed:", "data_refresh",
    ]  # fmt: skip
    assert lines[2].split()[2:] == ["failed", "(1)", "schedule", "no", "file"]
    assert lines[3].split()[2:] == ["success", "catch_up"]
    assert "Nothing is on record" in render_history([])
