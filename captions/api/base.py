"""What every view of the API shares: the request's number in the answer, counted refusals, bodies in chunks."""

from __future__ import annotations

import io
from typing import Any, ClassVar, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.throttling import BaseThrottle

from captions.api import conditional, repeating
from captions.api.failures import request_number
from captions.api.pagination import NAMES
from captions.errors import DeskError
from captions.idempotency import Slot
from captions.models import ApiToken
from captions.scopes import Scope


class DeskView(GenericAPIView[Any]):
    """Base of every view. OPTIONS is no operation of ours: it would only describe what the schema describes better."""

    metadata_class = None
    #: What a token must open: for looking, and for all else. A view that names none is shut to narrow tokens.
    reads: ClassVar[Scope | None] = Scope.IMAGES_READ
    writes: ClassVar[Scope] = Scope.ADMIN
    #: Whether its answers to GET are JSON with an ETag, of which fewer fields may be asked for.
    is_marked = True
    answers_secret = False  #: its answers show a secret once, which must be kept nowhere
    _slot: Slot | None = None
    _wanted: set[str] | None = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Check If-Match and change in one transaction: between the two, somebody else's change could be lost."""
        if self._is_guarded(request):
            with transaction.atomic():
                return super().dispatch(request, *args, **kwargs)
        return super().dispatch(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Measure a body that came in chunks: DRF takes a request without Content-Length for empty."""
        if not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = str(_size(request))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let somebody in, or count the refusal: DRF counts only requests that it lets in. Claim the request's key."""
        try:
            super().initial(request, *args, **kwargs)
        except (NotAuthenticated, AuthenticationFailed, PermissionDenied, DeskError):
            self.check_throttles(request)
            raise
        if request.method == "GET" and self.is_marked:
            self._wanted = conditional.wanted(request, self.field_names)
        if self._is_guarded(request):
            self._require_match(request, *args, **kwargs)
        self._slot = repeating.begin(request)

    def handle_exception(self, exc: Exception) -> Any:
        """Answer a request that was carried out before as it was answered then."""
        if isinstance(exc, repeating.Replayed):
            return exc.answer
        return super().handle_exception(exc)

    def get_throttles(self) -> list[BaseThrottle]:
        """Make them once a request: the answer tells what they counted."""
        if not hasattr(self, "_counting"):
            self._counting = super().get_throttles()
        return self._counting

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Name the request, and keep answers about a person's pictures out of shared caches."""
        answer: Any = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("X-Request-ID", request_number())
        for throttle in self.get_throttles():
            for name, value in getattr(throttle, "headers", {}).items():
                answer.headers[name] = value
        if request.method in {"GET", "HEAD"} and self.is_marked and type(answer) is Response:
            answer = self._marked(request, answer)
        answer.headers.setdefault("Cache-Control", "private, no-store")
        if self._slot is not None:
            repeating.keep(self._slot, answer, holds_secret=self.answers_secret)
        return answer

    def field_names(self) -> list[str]:
        """Give the names of the fields that its answers to GET have; none when they are of another shape."""
        made = getattr(self, "serializer_class", None)
        return list(made().fields) if isinstance(made, type) and issubclass(made, Serializer) else []

    def _marked(self, request: Request, answer: Response) -> HttpResponse:
        """Give the answer its ETag and leave out what was not asked for; 304 when the caller has it."""
        if answer.status_code != 200:
            return answer
        answer["ETag"] = etag = conditional.mark(answer.data)
        answer["Cache-Control"] = conditional.KEPT_BY_CALLER
        if conditional.is_known(request, etag):
            return conditional.not_modified(answer)
        if self._wanted is not None:
            answer.data = conditional.only(answer.data, self._wanted)
        return answer

    def _is_guarded(self, request: Any) -> bool:
        changes = request.method in {"PATCH", "DELETE"} and hasattr(self, "get")
        return changes and self.is_marked and "HTTP_IF_MATCH" in request.META

    def _require_match(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Hold the row that the address names, and compare. Raises DeskError `changed_meanwhile`, `not_found`."""
        (key,) = kwargs.values()
        held = self.get_queryset().model._base_manager.select_for_update().filter(pk=key)
        list(held.values_list("pk"))  # reading is what locks
        seen = self.get(request, *args, **kwargs)  # type: ignore[attr-defined]  # _is_guarded has looked for it
        conditional.require_match(request, conditional.mark(seen.data))

    def scope(self, method: str | None) -> Scope | None:
        """Give what a token must open for this method; None when any token will do."""
        return self.reads if method in SAFE_METHODS else self.writes

    @property
    def person(self) -> User:
        """Whoever asks; the permission classes have let only people with an account in."""
        assert isinstance(self.request.user, User)
        return self.request.user

    @property
    def token(self) -> ApiToken | None:
        """The token by which a program asks; None for a page, which asks by its session."""
        return self.request.auth if isinstance(self.request.auth, ApiToken) else None

    def page(self, rows: Any) -> Response:
        """Filter, cut and answer one page of `rows`. Raises ValidationError for a query parameter that does nothing."""
        self.check_query()
        chosen = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(chosen, many=True).data)

    def check_query(self) -> None:
        """Raise ValidationError for a query parameter that does nothing."""
        names = {*NAMES, conditional.PARAMETER, *getattr(getattr(self, "filterset_class", None), "base_filters", {})}
        refuse_unknown(self.request, names)
        refuse_empty(self.request)


def refuse_unknown(request: Request, known: set[str]) -> None:
    """Refuse misspelt query parameters: a filter that silently does nothing gives wrong answers. ValidationError."""
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        words = _("This address has no such parameter. It knows %(names)s.") % {"names": ", ".join(sorted(known))}
        raise ValidationError(dict.fromkeys(unknown, words), code="unknown_parameter")


def refuse_repeated(fields: MultiValueDict[str, Any]) -> None:
    """Refuse `num_beams=2&num_beams=4`: nobody could say which of them counts. Raises ValidationError."""
    repeated = sorted(name for name, values in fields.lists() if len(values) > 1)
    if repeated:
        raise ValidationError(dict.fromkeys(repeated, _("Give it once.")), code="repeated")


def refuse_empty(request: Request) -> None:
    """Refuse `?state=`: a script whose variable was empty would get everything. Raises ValidationError."""
    empty = sorted(name for name, values in request.query_params.lists() if "" in values)
    if empty:
        raise ValidationError(dict.fromkeys(empty, _("Give it a value, or leave the parameter out.")), code="blank")


def _size(request: HttpRequest) -> int:
    """Give the bytes of a body that the server has spooled to a file; 0 for any other kind of stream."""
    stream: Final = getattr(request, "_stream", None)
    if stream is None or not getattr(stream, "seekable", bool)():
        return 0
    here = stream.tell()
    size = int(stream.seek(0, io.SEEK_END))
    stream.seek(here)
    return size
