"""How views describe themselves in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from captions.api.conditional import PARAMETER
from captions.api.failures import RETRY_AFTER_SECONDS
from captions.api.serializers import FailureSerializer
from captions.errors import FAILURES

JSON: Final = "application/json"
_NUMBER: Final = "5f0c8e1a-8a9e-4f0e-9d55-3b8c1f1f7a10"


def _example(kind: str, code: str, detail: str, attr: str | None = None) -> dict[str, Any]:
    return {"type": kind, "errors": [{"code": code, "detail": detail, "attr": attr}], "request_id": _NUMBER}


def _known(code: str, kind: str = "client_error") -> dict[str, Any]:
    return _example(kind, code, FAILURES[code].english)


#: Per status: what it means, and one answer as it is sent.
REFUSALS: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    400: (
        "Something in the request is wrong; one entry per problem.",
        _example("validation_error", "invalid_parameter", "Choose a whole number from 1 to 8.", "num_beams"),
    ),
    401: (
        "No token came, or it is unknown, expired or revoked.",
        _example(
            "client_error",
            "not_authenticated",
            "This needs an API token. Send the header “Authorization: Bearer TOKEN”.",
        ),
    ),
    403: (
        "The token lacks the scope that this needs; or a signed-in page sent no CSRF token.",
        _known("scope_missing"),
    ),
    404: ("There is no such thing here, or it is not yours.", _known("not_found")),
    406: (
        "The header Accept names no type that this address can answer with.",
        _example("client_error", "not_acceptable", "Could not satisfy the request Accept header."),
    ),
    409: ("Its state has changed, so this cannot be done now.", _known("job_not_open")),
    410: ("It was not gone on with in time, so its bytes are gone.", _known("upload_expired")),
    412: (
        "It was changed since the answer whose ETag If-Match names; for uploads, another version of the tus protocol.",
        _known("changed_meanwhile"),
    ),
    413: ("The body is larger than this server accepts.", _known("file_too_large")),
    415: ("The body's type is not one that this address takes.", _known("unsupported_format")),
    416: ("The header Range names bytes that the file does not have.", _known("range_not_satisfiable")),
    422: ("This Idempotency-Key came with another request before.", _known("idempotency_key_reused")),
    423: ("Another request is writing to it.", _known("upload_locked")),
    429: (
        "Too many requests, or too many pictures waiting. Retry-After says when to come back.",
        _known("queue_full"),
    ),
    460: ("The body does not fit its checksum.", _known("checksum_mismatch")),
    500: ("Something broke, and it is our fault. Quote request_id.", _known("unknown", "server_error")),
    503: ("The database did not answer in time. Retry-After says when.", _known("database_busy", "server_error")),
    507: ("The server's disk is nearly full.", _known("disk_full", "server_error")),
}
_REPEATING: Final = (
    OpenApiParameter(
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        OpenApiParameter.HEADER,
        description="Drawn anew for each request, such as a UUID. The same request sent again with the same key within "
        "24 hours is not carried out again, and gets the first answer.",
    ),
    OpenApiParameter(
        "Idempotency-Replayed",
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        response=True,
        description="There when the answer is that of an earlier request with this key.",
    ),
)
_ETAG: Final = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 304],
    description="Stands for what this answer tells, whichever fields were asked for.",
    examples=[OpenApiExample("an ETag", '"5f0c8e1a8a9e4f0e9d553b8c1f1f7a10aa90c1d2"')],
)
_IF_NONE_MATCH: Final = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of an answer that you have: 304 without a body when it is still the same.",
)
_IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the answer that you looked at: 412 when it was changed since then, and nothing is done.",
)
ALWAYS: Final = {406, 429, 500, 503}
SAFE: Final = {"GET", "HEAD"}


class DeskSchema(AutoSchema):
    """Adds to every operation the answers it may give when something is wrong, and the headers of every answer.

    A view lists what is special to it in `refuses`: method → statuses.
    """

    view: Any  # a DeskView; the library knows DRF's own

    def refusals(self) -> set[int]:
        """Give the statuses with which this operation may refuse."""
        statuses = ALWAYS | set(getattr(self.view, "refuses", {}).get(self.method, ()))
        if self.view.permission_classes:
            statuses |= {401} if self.method in SAFE and self.view.reads is None else {401, 403}
        if self.method == "POST":
            statuses |= {400, 409, 422}
        if "{" in self.path:
            statuses |= {404}
        if self._is_marked and self._fields:
            statuses |= {400}
        if self._is_guarded:
            statuses |= {412}
        return statuses

    @property
    def _is_marked(self) -> bool:
        return self.method == "GET" and self.view.is_marked

    @property
    def _is_guarded(self) -> bool:
        return self.method in {"PATCH", "DELETE"} and self.view.is_marked and hasattr(self.view, "get")

    @property
    def _fields(self) -> list[str]:
        names: list[str] = self.view.field_names()
        return names

    def _conditional(self) -> list[OpenApiParameter]:
        if self._is_guarded:
            return [_IF_MATCH]
        if not self._is_marked:
            return []
        return [_ETAG, _IF_NONE_MATCH, *([_sparse(self._fields)] if self._fields else [])]

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Name the scope that a token must open; pages' sessions have none."""
        scope = self.view.scope(self.method)
        ways: list[dict[str, list[str]]] = super().get_auth()
        return [{name: [scope.value] if scope and name == "token" else [] for name in way} for way in ways]

    def get_override_parameters(self) -> list[Any]:
        """Describe headers of every request and answer."""
        return [
            *(_REPEATING if self.method == "POST" else ()),
            *self._conditional(),
            OpenApiParameter(
                "X-Request-ID", str, OpenApiParameter.HEADER, response=True, description="The request's number."
            ),
            OpenApiParameter(
                "RateLimit-Policy",
                str,
                OpenApiParameter.HEADER,
                response=True,
                description="Requests allowed, `q`, in `w` seconds; absent where nothing is limited.",
                examples=[OpenApiExample("a person's", '"person";q=6000;w=60')],
            ),
            OpenApiParameter(
                "RateLimit",
                str,
                OpenApiParameter.HEADER,
                response=True,
                description="Requests left, `r`, until the count starts again in `t` seconds.",
                examples=[OpenApiExample("nearly all", '"person";r=5990;t=34')],
            ),
            OpenApiParameter(
                "Retry-After",
                int,
                OpenApiParameter.HEADER,
                response=sorted(RETRY_AFTER_SECONDS),
                description="Seconds after which to try again.",
            ),
        ]

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if self._is_marked:
            bodies["304"] = self._get_response_for_code(  # type: ignore[no-untyped-call]  # untyped library
                OpenApiResponse(description="You have it: nothing has changed."), "304", [JSON], direction
            )
        for status in sorted(self.refusals()):
            bodies.setdefault(str(status), self._refusal(status, direction))
        return bodies

    def _refusal(self, status: int, direction: Any) -> dict[str, Any]:
        meaning, example = REFUSALS[status]
        response = OpenApiResponse(
            FailureSerializer, meaning, [OpenApiExample(example["errors"][0]["code"], example, status_codes=[status])]
        )
        described: dict[str, Any] = self._get_response_for_code(  # type: ignore[no-untyped-call]  # untyped library
            response, str(status), [JSON], direction
        )
        return described


def _sparse(names: list[str]) -> OpenApiParameter:
    return OpenApiParameter(
        PARAMETER,
        str,
        OpenApiParameter.QUERY,
        description="The fields that you want, with commas between; of a list, the fields of each row. "
        f"Left out: all of them, which are {', '.join(f'`{name}`' for name in names)}.",
        examples=[OpenApiExample("two", ",".join(names[:2]))],
    )


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped library
    """Describes `Authorization: Bearer TOKEN`."""

    target_class = "captions.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Give the scheme as OpenAPI writes it."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "cdesk_…",
            "description": "A personal token: make one on the account page or with `manage.py token USERNAME`.",
        }


class PageScheme(SessionScheme):  # type: ignore[no-untyped-call]  # untyped library
    """Describes the session of a signed-in page."""

    name = "session"
    priority = 1
