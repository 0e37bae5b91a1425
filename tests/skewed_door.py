"""A door on a host whose clock is wrong: `python tests/skewed_door.py SECONDS DOOR [FLAG ...]`."""

import runpy
import sys
from datetime import UTC, datetime, timedelta

import time_machine


def main():
    seconds, module, *flags = sys.argv[1:]
    sys.argv = [f"automation.{module}", *flags]
    wrong = datetime.now(UTC) + timedelta(seconds=float(seconds))
    with time_machine.travel(wrong, tick=True):
        runpy.run_module(f"automation.{module}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
