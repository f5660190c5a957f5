"""Cursor pages: stable while pictures arrive, and as quick at the end of a long list as at its start."""

from rest_framework.pagination import CursorPagination


class Newest(CursorPagination):
    """Newest first; `limit` takes 1 to 200."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
