#!/bin/sh
# manage_scheduler.sh start [--background] | stop | restart | status | logs | run JOB | enable JOB | disable JOB
# A short name for `python -m automation.scheduler`, which does the work on every platform.
folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
python="$folder/.venv/bin/python"
[ -x "$python" ] || python=python3
if [ $# -eq 0 ]; then
    set -- --help
fi
cd "${PROJECT_DIR:-$folder}" || exit 1
PYTHONPATH="$folder${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m automation.scheduler "$@"
