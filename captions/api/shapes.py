"""How a refusal is written: in the API's own shape, and in those of the services whose protocols we speak.

Each takes a `code` of captions.errors, the `words` for people, the answer's `status` and the request's `number`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Shape = Callable[[str, str, int, str], dict[str, Any]]
_OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def ours(code: str, words: str, status: int, number: str) -> dict[str, Any]:
    """Give {"type", "errors", "request_id"} for one failure that is about no field (captions.api.failures)."""
    side = "server_error" if status >= 500 else "client_error"
    return {"type": side, "errors": [{"code": code, "detail": words, "attr": None}], "request_id": number}


def of_openai(code: str, words: str, status: int, number: str, *, attr: str | None = None) -> dict[str, Any]:
    """Give {"error": {"message", "type", "param", "code"}}, which has no place for a number."""
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": words, "type": kind, "param": attr, "code": code}}


def plain(code: str, words: str, status: int, number: str) -> dict[str, Any]:
    """Give {"error": words} with the code and the number beside it: Hugging Face's and Label Studio's."""
    return {"error": words, "code": code, "request_id": number}
