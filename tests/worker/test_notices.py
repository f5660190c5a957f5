"""What workers say is said in the reader's language, too."""

from __future__ import annotations

from captions import notices
from worker.engine.catalogue import CATALOGUE
from worker.engine.choice import DEMO_WORDS


def test_it_knows_what_workers_say() -> None:
    said = {DEMO_WORDS, *(entry.title for entry in CATALOGUE.values())}
    assert said <= set(notices.SENTENCES)
