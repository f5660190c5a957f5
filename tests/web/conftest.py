"""What the page tests send."""

from collections.abc import Iterator

import pytest
from django.core.cache import caches

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _nobody_is_throttled() -> Iterator[None]:
    """Every test begins with its own count of requests to the API."""
    caches["throttle"].clear()
    yield
    caches["throttle"].clear()
