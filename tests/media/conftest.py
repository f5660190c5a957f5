"""The same storage fixture as for uploads."""

from tests.ingest.conftest import store

__all__ = ["store"]
