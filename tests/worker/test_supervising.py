"""The supervisor's own rules; what it does to real processes is in the tests of faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from captions import jobs
from captions.models import CaptionJob, Worker
from captions.models.clock import DatabaseTime
from worker import supervisor as supervisors
from worker.handover import Handover
from worker.supervisor import Death, Supervisor, death_by, memory_kills, report, tidy_rows


def test_it_never_imports_torch() -> None:
    code = (
        "import sys, os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'captionsite.settings')\n"
        "import django; django.setup()\n"
        "import worker.__main__, captions.jobs\n"
        "sys.exit(any(name.split('.')[0] in {'torch', 'transformers'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_it_pauses_longer_after_each_crash_and_forgets_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(supervisors, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    keeper = Supervisor(drain_seconds=1, pause_seconds=60)
    pauses = []
    for seconds in (0, 10, 20, 30, 1000, 1010):
        now.seconds = seconds
        pauses.append(keeper._pause())
    assert pauses == [0, 6, 60, 60, 0, 6]


def test_it_puts_an_end_into_words() -> None:
    assert death_by(-11, 0, 0) == Death("worker process died by SIGSEGV")
    assert death_by(75, 0, 0) == Death("worker process ended with status 75")


def test_it_blames_no_picture_for_a_kill_from_outside() -> None:
    assert death_by(-9, 3, 3) == Death("worker process died by SIGKILL, sent from outside", from_outside=True)


@pytest.mark.parametrize("counts", [(3, 4), (None, 4), (3, None), (None, None)])
def test_it_blames_the_picture_when_memory_may_have_run_out(counts: tuple[int | None, int | None]) -> None:
    assert death_by(-9, *counts) == Death("worker process died by SIGKILL")


def test_it_reads_how_often_memory_ran_out(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    assert memory_kills(vmstat) is None
    vmstat.write_text("nr_free_pages 1\n")
    assert memory_kills(vmstat) is None
    vmstat.write_text("nr_free_pages 1\noom_kill 12\nzone_reclaim 0\n")
    assert memory_kills(vmstat) == 12


def test_it_takes_back_the_leases_of_a_dead_process_and_no_others(ask) -> None:
    ask(3)
    for name in ("w/1", "w/2"):
        jobs.claim(limit=1, worker=name, models={"demo"}, lease_seconds=600)
    Worker.objects.create(name="w", state=Worker.State.READY, seen_at=DatabaseTime())
    report(Handover("w", generation=1), Death("worker process died by SIGKILL"))
    assert list(CaptionJob.objects.filter(state="running").values_list("leased_by", flat=True)) == ["w/2"]
    assert CaptionJob.objects.filter(state="queued", isolate=True).count() == 1
    assert Worker.objects.get().state == Worker.State.STARTING
    report(Handover("w", generation=2), Death("worker stopped"), True)
    assert Worker.objects.get().state == Worker.State.STOPPED


def test_it_forgets_workers_that_were_not_seen_for_a_day(transactional_db: None) -> None:
    for name, seconds in (("old", -90_000), ("new", -3600)):
        Worker.objects.create(name=name, seen_at=DatabaseTime(after=seconds))
    tidy_rows()
    assert list(Worker.objects.values_list("name", flat=True)) == ["new"]
