"""What the views share that speak other services' protocols: a picture in, words out, refusals in the other's shape.

Programs that were written for those services parse the services' own shapes, so these addresses are no part of our
contract (docs/openapi.json); docs/api.md says what they take. A picture that comes this way is ingested like any other,
as its sender's own, and waits its turn like any other.
"""

from __future__ import annotations

import base64
import binascii
import io
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from captions import ingest, selectors
from captions.api.authentication import TokenAuthentication
from captions.api.base import DeskView
from captions.api.bodies import INLINE_BYTES
from captions.api.failures import Refused, request_number
from captions.api.json_body import PictureJson
from captions.api.shapes import plain
from captions.api.uploads import fetched
from captions.api.waiting import LONGEST_SECONDS, Wait
from captions.errors import FAILURES, DeskError
from captions.models import Caption, CaptionJob, Image
from captions.params import Value
from captions.scopes import Scope

#: Stands for "whichever model is the default", for programs that must name one.
ANY_MODEL: Final = "caption-desk"
_BASE64_MARK: Final = ";base64,"


class CompatibleView(DeskView):
    """Base of these views. Programs only: a page's session opens nothing here."""

    writes = Scope.IMAGES_WRITE
    is_marked = False
    queryset = Image.objects.none()
    authentication_classes = [TokenAuthentication]
    parser_classes = [PictureJson]
    pagination_class = None
    late_status = 504  #: what the other service answers when the words are not there in time

    @abstractmethod
    def refusal(self, code: str, words: str, attr: str | None, status: int, image: Image | None) -> dict[str, Any]:
        """Give the body of a refusal as the other service writes it."""

    @abstractmethod
    def answer(self, response: Response, image: Image, captions: list[Caption]) -> None:
        """Fill the answer with the words, best first."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Never refuse by Accept: these services do not."""
        return super().perform_content_negotiation(request, force=True)

    def handle_exception(self, exc: Exception) -> Any:
        """Say what went wrong in the shape that the caller's program parses."""
        if isinstance(exc, DeskError) and exc.code == "model_not_served":
            # 409 is our own word for it, and some programs would try that again for minutes.
            exc = _with_status(Refused(exc.failure, detail=exc.detail, attr=exc.attr), 404)
        response = super().handle_exception(exc)
        if isinstance(response, Response):
            self._translate(response)
        return response

    def _translate(self, response: Response) -> None:
        errors = response.data["errors"]
        words = " ".join(dict.fromkeys(error["detail"] for error in errors))
        response.data = self.refusal(errors[0]["code"], words, errors[0]["attr"], response.status_code, None)

    def model(self, asked: str) -> str:
        """Give the model to ask for, "" for any that is a default. Raises DeskError `model_not_served`."""
        if asked in {"", ANY_MODEL}:
            return ""
        selectors.check_served(asked)
        now = selectors.serving()
        # Naming the default is no particular wish: a picture that is known already then keeps the words it has.
        return "" if now.find(asked) == now.find("") else asked

    def caption(
        self, *, file: IO[bytes], filename: str, chosen: Mapping[str, Value], model: str, most: int = 1
    ) -> Response:
        """Take the picture in, and answer with its words once they are there, at most `most` of them.

        Raises DeskError as `ingest.receive` does.
        """
        received = ingest.receive(
            owner=self.person,
            file=file,
            filename=filename,
            chosen=chosen,
            model=model,
            lane=CaptionJob.Lane.INTERACTIVE,
        )
        image, job = received.image, received.job
        if job is None:
            response = Response()
            self.answer(response, image, [on_show(image)])
            return response
        response = self._refused("caption_late", image, status=self.late_status)

        def fill() -> None:
            self._fill(response, image, CaptionJob.objects.get(pk=job.pk), most)

        response.wait = Wait(job.pk, LONGEST_SECONDS, fill)  # type: ignore[attr-defined]  # read by waits_for_job
        return response

    def _fill(self, response: Response, image: Image, job: CaptionJob, most: int) -> None:
        if job.state == CaptionJob.State.DONE:
            response.status_code = 200
            self.answer(response, image, list(job.captions.order_by("rank")[:most]))
            return
        if job.state in CaptionJob.OPEN:
            return  # tried again in this very moment
        code = job.error_code if job.state == CaptionJob.State.FAILED else "job_cancelled"
        refused = self._refused(code if code in FAILURES else "unknown", image)
        response.status_code, response.data = refused.status_code, refused.data

    def _refused(self, code: str, image: Image, *, status: int | None = None) -> Response:
        failure = FAILURES[code]
        body = self.refusal(code, failure.words, None, status or failure.status, image)
        return Response(body, status or failure.status)


def plain_refusal(code: str, words: str, status: int, image: Image | None) -> dict[str, Any]:
    """Give {"error": words} with our code and the request's number beside it; a picture taken in is named."""
    body = plain(code, words, status, request_number())
    return body if image is None else {**body, "image": str(image.pk)}


def _with_status(error: Refused, status: int) -> Refused:
    error.status_code = status
    return error


def on_show(image: Image) -> Caption:
    """Give a known picture's words: those that a person vouched for go before a newer draft."""
    caption = image.published_caption or image.caption
    if caption is None:
        raise DeskError("no_words")
    return caption


def take_json(request: Request) -> dict[str, Any]:
    """Give the body, a JSON object. Raises DeskError `body_too_large`, ParseError, ValidationError."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > INLINE_BYTES:
        raise DeskError("body_too_large")  # JSON is held in memory whole, several times over
    if not isinstance(request.data, dict):
        raise ValidationError(_("Send a JSON object."))
    return request.data


def decode_base64(text: str, *, attr: str) -> IO[bytes]:
    """Give the bytes of a picture that stands in JSON. Raises DeskError `no_file`, ValidationError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationError({attr: _("This is not base64.")}) from None
    if not data:
        raise DeskError("no_file", attr=attr)
    return io.BytesIO(data)


def decode_data_uri(uri: str, *, attr: str) -> IO[bytes]:
    """Give the bytes of `data:image/png;base64,…`. Raises DeskError `no_file`, ValidationError."""
    _kind, mark, text = uri.partition(_BASE64_MARK)
    if not mark:
        raise ValidationError({attr: _("Write data:image/jpeg;base64, and then the picture in base64.")})
    return decode_base64(text, attr=attr)


@contextmanager
def opened(address: str, *, attr: str, person_id: int) -> Iterator[tuple[IO[bytes], str]]:
    """Open a picture with its name: out of a data URI, or from where it lies. Raises as `fetched` does."""
    if address.startswith("data:"):
        yield decode_data_uri(address, attr=attr), ""
        return
    with fetched(address, attr=attr, person_id=person_id) as found:
        yield found.file, found.filename


def refuse_others(given: Iterable[str], *, never: Iterable[str]) -> None:
    """Refuse what would change the answer's shape: leaving it aside would break the caller. Raises ValidationError."""
    wrong = sorted(set(given) & set(never))
    if wrong:
        raise ValidationError(dict.fromkeys(wrong, _("This desk does not offer that. Leave it out.")))
