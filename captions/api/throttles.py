"""How often one person, or one address that is nobody, may ask.

They keep a careless script from drowning everybody else; they are no defence of secrets. Counts live in each web
process's memory, so that several processes allow several times as much, and a broker that is off slows nobody down.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:  # rest_framework.views imports this module while it is being imported itself
    from rest_framework.views import APIView


class SlidingCount(SimpleRateThrottle):
    """Counts requests in fixed windows and weighs the last window by how much of it still lies within the period.

    Two integers per key, where DRF's own keeps one time stamp per request: at 6,000 a minute that list would cost a
    millisecond of every request.
    """

    scope: str
    num_requests: int | None
    duration: int | None
    used: float | None = None  #: requests of the last `duration` seconds, this one among them; None while not counted

    def __init__(self) -> None:
        self.cache = caches["throttle"]
        super().__init__()

    def get_rate(self) -> str:
        """Read the rate at every request, so that changed settings count (DRF's own freezes them at import)."""
        return str(api_settings.DEFAULT_THROTTLE_RATES[self.scope])

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count this request; False when it is one too many."""
        key = self.get_cache_key(request, view)
        if key is None or not self.num_requests or not self.duration:
            return True
        window, passed = divmod(time.time(), self.duration)
        self.remaining = self.duration - passed
        self.cache.add(f"{key}:{int(window)}", 0, timeout=2 * self.duration)
        try:
            count = self.cache.incr(f"{key}:{int(window)}")
        except ValueError:  # culled between the two lines, because very many addresses asked
            count = 1
        before = self.cache.get(f"{key}:{int(window) - 1}", 0)
        self.used = count + before * (self.remaining / self.duration)
        return self.used <= self.num_requests

    def wait(self) -> float:
        """Give the seconds until the next window, for Retry-After."""
        return float(math.ceil(self.remaining))

    @property
    def headers(self) -> dict[str, str]:
        """Say in the fields of draft-ietf-httpapi-ratelimit-headers-10 what is allowed, and what is left until when.

        Empty when it did not count this request.
        """
        if self.used is None or not self.num_requests:
            return {}
        left = max(0, math.floor(self.num_requests - self.used))
        return {
            "RateLimit-Policy": f'"{self.scope}";q={self.num_requests};w={self.duration}',
            "RateLimit": f'"{self.scope}";r={left};t={math.ceil(self.remaining)}',
        }


class PerPerson(SlidingCount):
    """One count per account, whichever of its tokens or sessions asks."""

    scope = "person"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Name the account; None (not counted here) for nobody."""
        return f"person:{request.user.pk}" if request.user and request.user.is_authenticated else None


class PerAddress(SlidingCount):
    """One count per network address for requests that come without, or with a wrong, token."""

    scope = "address"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Name the address; None (not counted here) for somebody."""
        return None if request.user and request.user.is_authenticated else f"address:{self.get_ident(request)}"
