"""manage.py calibrate: learn the quality score from all decisions, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from captions import calibration


class Command(BaseCommand):
    """Print what was learned, or how many decisions are still missing."""

    help = "Fits the quality score to what reviewers decided, and gives every waiting draft its new score."

    def handle(self, *args: Any, **options: Any) -> None:
        """Fit, store and rescore."""
        made = calibration.calibrate()
        if made is None:
            decided = calibration.outcomes()
            self.stdout.write(
                f"{len(decided)} drafts were decided on, {sum(decided.values())} of them approved unchanged. "
                f"It takes {calibration.ENOUGH}, and {calibration.ENOUGH_OF_EACH} of each outcome. "
                f"Until then a fixed formula scores drafts; {calibration.rescore()} scores changed."
            )
            return
        self.stdout.write(
            f"Learned from {made.decisions} decisions, {made.approved} of them approvals. "
            f"Brier score {made.brier:.4f} on decisions held out."
        )
