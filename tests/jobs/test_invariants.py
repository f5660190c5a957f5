"""The checker finds what is broken, and nothing when all is well."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from captions import invariants, jobs, media
from captions.invariants import violations
from captions.models import CaptionJob, Image, JobEvent
from tests.jobs.conftest import ask, claim, expire, finish, fresh


@pytest.fixture
def busy(owner, monkeypatch) -> dict[str, CaptionJob]:
    """One job in every state, and files for every picture as far as the storage can tell."""
    monkeypatch.setattr(media, "is_complete", lambda image: True)
    done, running, failed, queued = ask(owner, 4)
    finish(claim()[0], "one", "two")
    claim()
    (third,) = claim("w2")
    jobs.fail(job_id=third.pk, attempt=third.attempt, code="model_failed", worker_fault="input")
    assert violations() == []
    return {"done": done, "running": running, "failed": failed, "queued": queued}


def _update(which: str, /, **changes: Any) -> Callable[[dict[str, CaptionJob]], object]:
    return lambda busy: CaptionJob.objects.filter(pk=busy[which].pk).update(**changes)


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        ("done_means_captions", _update("queued", state="done")),
        ("done_means_captions", _update("done", state="cancelled")),
        ("running_means_leased", _update("running", leased_by="")),
        ("running_means_leased", _update("queued", leased_by="w9")),
        ("history_is_whole", _update("running", attempt=7)),
        ("history_is_whole", _update("failed", state="cancelled", error_code="")),
        ("history_is_whole", lambda busy: JobEvent.objects.filter(job=busy["running"], before="").delete()),
        ("history_is_whole", lambda busy: JobEvent.objects.filter(job=busy["queued"]).delete()),
        ("history_is_whole", lambda busy: JobEvent.objects.filter(job=busy["done"], after="done").update(attempt=0)),
        ("summaries_agree", lambda busy: Image.objects.filter(pk=busy["queued"].image_id).update(state="empty")),
        ("summaries_agree", lambda busy: Image.objects.filter(pk=busy["done"].image_id).update(caption=None)),
    ],
)
def test_it_finds_what_is_broken(busy, rule, damage):
    damage(busy)
    found = violations()
    assert rule in {violation.rule for violation in found}, found


def test_it_finds_a_lease_that_nobody_sweeps(busy, monkeypatch):
    expire(fresh(busy["running"]))
    assert violations() == []
    monkeypatch.setattr(invariants, "OVERDUE_SECONDS", 0.0)
    assert [violation.rule for violation in violations()] == ["running_means_leased"]


def test_it_finds_files_that_are_missing(busy, monkeypatch):
    monkeypatch.setattr(media, "is_complete", lambda image: image.pk != busy["done"].image_id)
    (violation,) = violations()
    assert (violation.rule, violation.subject) == ("files_are_there", f"image {busy['done'].image_id}")


def test_it_changes_nothing(busy):
    Image.objects.filter(pk=busy["queued"].image_id).update(state="empty")
    assert violations() == violations() != []
    assert Image.objects.get(pk=busy["queued"].image_id).state == "empty"


def test_it_tells_only_what_is_still_broken_at_a_second_look(busy, monkeypatch):
    looks = iter([[invariants.Violation("r", "job 1", "moved"), invariants.Violation("r", "job 2", "stays")],
                  [invariants.Violation("r", "job 2", "stays")]])  # fmt: skip
    monkeypatch.setattr(invariants, "CHECKS", (lambda: next(looks),))
    assert [violation.subject for violation in violations()] == ["job 2"]


def test_it_speaks_at_the_command_line(busy):
    out = StringIO()
    call_command("invariants", stdout=out)
    assert "Everything agrees." in out.getvalue()
    Image.objects.filter(pk=busy["queued"].image_id).update(state="empty")
    with pytest.raises(CommandError, match="1 broken"):
        call_command("invariants", stdout=out)
    assert f"summaries_agree: image {busy['queued'].image_id}: shows empty" in out.getvalue()
