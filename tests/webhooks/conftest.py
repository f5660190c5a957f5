"""A receiver of webhooks: a real HTTP server that checks signatures as the reference library does."""

from __future__ import annotations

from tests.outbound.conftest import server

__all__ = ["server"]
