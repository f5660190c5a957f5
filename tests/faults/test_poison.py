"""One picture kills whichever process reads it: it is set aside, and the others do not suffer."""

from __future__ import annotations

from tests.faults.conftest import MakeWorkshop
from tests.faults.workshop import starts_of

PICTURES, POISON = 304, 137


def test_it_sets_aside_the_one_picture_that_kills_workers(workshop: MakeWorkshop, kind: str) -> None:
    desk = workshop(kind, CAPTION_BATCH="8")
    desk.order(f"kill-{POISON}")
    desk.fill(PICTURES)
    worker = desk.start_scripted()
    desk.until_at_rest()
    assert desk.rows.failures() == [(POISON, "poison_image")]
    desk.check(captioned=PICTURES - 1, failed=1)
    assert starts_of(worker) - 1 <= 3, worker.log.read_text()[-3000:]
    assert desk.rows.one("SELECT MAX(attempt) FROM captions_captionjob WHERE state = 'done'") <= 4
    assert "worker process died by SIGABRT" in desk.rows.notes(POISON)
