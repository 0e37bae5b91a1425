"""The scheduler against a reference that only counts: 10,000 steps of whatever can happen.

The world is a ledger in memory, a clock that may jump, jobs that end or do not, crashes between
the decision and the start, pauses, edited expressions and runs by hand. In zones with clock
changes, around their days of change.
"""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from viecomrec.domain.occurrences import Cause, OccurrenceRecord, State
from viecomrec.domain.scheduler_config import parse_config
from viecomrec.domain.schedules import due_between
from viecomrec.domain.scheduling import LATE_AFTER, History, fingerprint, plan

EXAMPLES = int(os.environ.get("VIECOMREC_STATEFUL_EXAMPLES", "200"))
STEPS = 50
EXPRESSIONS = [{"hour": 2}, {"hour": 2, "minute": 30}, {"hour": "1,14"}, {"minute": 30}]
STARTS = [
    ("America/New_York", datetime(2026, 3, 7, 20, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, 20, tzinfo=UTC)),
    ("Asia/Ho_Chi_Minh", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 3, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 29, 3, tzinfo=UTC)),
]
NAMES = ("data_refresh", "model_training", "health_check")
names = st.sampled_from(NAMES)


class SchedulerMachine(RuleBasedStateMachine):
    @initialize(start=st.sampled_from(STARTS))
    def begin(self, start):
        self.zone, self.now = ZoneInfo(start[0]), start[1]
        self.jobs = {
            "data_refresh": {"schedule": {"hour": 2}},
            "model_training": {"schedule": {"hour": 3}},
            "health_check": {"schedule": {"minute": 0}},
        }
        self.marks, self.rows, self.remembered = {}, {}, {}
        self.runs = Counter()
        self.counts_from = {}
        self.unstarted = []
        self.tick()

    @property
    def config(self):
        return parse_config(
            {"jobs": {n: {"module": f"automation.{n}", **e} for n, e in self.jobs.items()}}, "test"
        )

    def apply(self, made):
        if made.retracts_future:
            undone = {State.SKIPPED, State.MISSED}
            self.rows = {
                key: row
                for key, row in self.rows.items()
                if row.state not in undone or row.nominal_utc <= self.now
            }
        for row in made.rows:
            key = (row.job, row.nominal_utc)
            assert key not in self.rows, f"{key} is decided twice"
            self.rows[key] = row
        self.marks = dict(made.marks)

    def reference_before_tick(self):
        for job in self.config.jobs.values():
            meaning = fingerprint(job, self.zone)
            known = self.counts_from.get(job.name)
            if known is None or known[0] != meaning or known[1] > self.now:
                self.counts_from[job.name] = (meaning, self.now)

    @rule()
    def tick(self):
        self.reference_before_tick()
        running = {row.job for row in self.rows.values() if row.state is State.RUNNING}
        history = History({**self.remembered, **self.marks}, dict(self.rows))
        made = plan(self.config, self.zone, self.now, history, has_model=True)
        self.apply(made)
        self.remembered = dict(made.marks)
        started = [row for row in made.rows if row.state is State.RUNNING]
        assert not running & {row.job for row in started}, "started while running"
        assert len({row.job for row in started}) == len(started), "a flood"
        self.unstarted += [(row.job, row.nominal_utc) for row in started]
        self.check_order(started)

    def check_order(self, started):
        for row in started:
            if row.job == "model_training":
                same_day = [
                    one
                    for one in self.rows.values()
                    if one.job == "data_refresh" and one.nominal_day == row.nominal_day
                ]
                assert all(one.state is not State.RUNNING for one in same_day)

    @rule()
    def start(self):
        """The scheduler starts what it decided; a crash may come before."""
        for key in self.unstarted:
            self.runs[key] += 1
        self.unstarted = []

    @rule()
    def crash_and_restart(self):
        """What is in memory is lost; what is called running but never began is started."""
        self.remembered = {}
        self.start()
        self.tick()

    @rule(seconds=st.sampled_from([1, 59, 600, 3600, 5 * 3600]))
    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.tick()

    @rule(hours=st.sampled_from([-30, -2, -1, -0.01, 3, 30, 200]))
    def jump(self, hours):
        self.now += timedelta(hours=hours)
        self.tick()

    @rule(name=names, exit_code=st.sampled_from([0, 0, 1]))
    def end_job(self, name, exit_code):
        self.start()
        for key, row in self.rows.items():
            if row.job == name and row.state is State.RUNNING:
                ended = {"state": State.RAN, "exit_code": exit_code}
                self.rows[key] = row.model_copy(update=ended)

    @rule(name=names)
    def pause_or_resume(self, name):
        self.jobs[name]["enabled"] = not self.jobs[name].get("enabled", True)

    @rule(name=names, schedule=st.sampled_from(EXPRESSIONS))
    def edit(self, name, schedule):
        self.jobs[name]["schedule"] = schedule
        self.tick()

    @rule(name=names)
    def run_by_hand(self, name):
        key = (name, self.now)
        is_busy = any(r.job == name and r.state is State.RUNNING for r in self.rows.values())
        if is_busy or key in self.rows:
            return
        self.rows[key] = OccurrenceRecord(
            job=name,
            nominal_utc=self.now,
            nominal_day=self.now.astimezone(self.zone).date(),
            state=State.RUNNING,
            cause=Cause.HAND,
            decided_at_utc=self.now,
        )
        self.runs[key] += 1

    @rule()
    def delete_the_ledger(self):
        """The guide's recovery step, while the scheduler runs: it remembers its marks."""
        self.marks, self.rows, self.unstarted = {}, {}, []
        for job, mark in self.remembered.items():
            meaning, since = self.counts_from[job]
            self.counts_from[job] = (meaning, max(since, mark.decided_until))
        for job in set(self.counts_from) - set(self.remembered):
            del self.counts_from[job]
        self.runs.clear()
        self.tick()

    @invariant()
    def nothing_runs_twice(self):
        assert all(count == 1 for count in self.runs.values()), self.runs

    @invariant()
    def the_future_is_undecided_unless_it_ran(self):
        for row in self.rows.values():
            if row.state in {State.SKIPPED, State.MISSED} and row.nominal_utc > self.now:
                assert row.decided_at_utc > self.now  # the clock went back; the next tick sees it

    def every_time_is_on_record(self):
        for job in self.config.jobs.values():
            meaning, since = self.counts_from[job.name]
            if meaning != fingerprint(job, self.zone):
                continue
            due = due_between(job.schedule, self.zone, since, self.now)
            undecided = [one for one in due if (job.name, one.nominal_utc) not in self.rows]
            if undecided:
                assert undecided == [due[-1]]
                assert job.after, f"{job.name} waits for nobody"
                assert self.upstream_holds(job, undecided[0])

    def upstream_holds(self, job, occurrence):
        states = [
            row.state
            for row in self.rows.values()
            if row.job in job.after and row.nominal_day == occurrence.nominal_day
        ]
        return State.RUNNING in states

    def teardown(self):
        if hasattr(self, "zone"):
            self.tick()
            self.every_time_is_on_record()
            assert timedelta(0) < LATE_AFTER


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
