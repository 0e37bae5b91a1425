import argparse
import json
import subprocess
import sys

from automation.door import run_door
from viecomrec.domain.results import PipelineResult, Status
from viecomrec.errors import ConfigurationError, InputError


def door(work, capsys):
    code = run_door(argparse.ArgumentParser(), work, [])
    return code, json.loads(capsys.readouterr().out)


def raising(error):
    def work(_):
        raise error

    return work


def test_one_json_object_in_utf8_goes_to_standard_output(capsys):
    result = PipelineResult(status=Status.SUCCESS, message="Đã xong")
    code, printed = door(lambda _: result, capsys)
    assert (code, printed) == (0, {"status": "success", "message": "Đã xong"})


def test_every_status_has_the_exit_code_of_the_design(capsys):
    zero = {"success", "skipped", "pending", "healthy", "warning"}
    for status in Status:
        code, _ = door(lambda _, status=status: PipelineResult(status=status), capsys)
        assert code == (0 if status.value in zero else 1), status


def test_an_input_error_exits_1_and_a_configuration_error_2(capsys):
    assert door(raising(InputError("line 3")), capsys) == (
        1,
        {"status": "failed", "message": "line 3"},
    )
    assert door(raising(ConfigurationError("jobs")), capsys)[0] == 2


def test_a_defect_still_prints_one_json_object_and_exits_1(capsys):
    code, printed = door(raising(ZeroDivisionError("by zero")), capsys)
    assert code == 1
    assert printed == {"status": "failed", "message": "ZeroDivisionError: by zero"}


def test_a_door_does_not_pay_for_rich_until_it_draws():
    code = """
import sys
from automation.door import run_door
import argparse
class Done:
    exit_code = 0
    def as_json(self):
        return {"loaded": "rich" in sys.modules or "rich.console" in sys.modules}
run_door(argparse.ArgumentParser(), lambda _: Done(), [])
import rich.table
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"loaded": False}
