"""Hugging Face's form of asking a model about a picture, for programs that use `huggingface_hub.InferenceClient`.

The shapes are those of https://huggingface.co/docs/inference-providers/tasks/image-to-text, read with the package.
"""

from __future__ import annotations

from typing import IO, Any, Final, cast

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from captions.api.compatible import CompatibleView, decode_base64, decode_data_uri, plain_refusal, take_json
from captions.errors import DeskError
from captions.models import Caption, Image
from captions.params import Value, parse

JSON: Final = "application/json"


class HuggingFaceView(CompatibleView):
    """Base of the views with Hugging Face's shapes."""

    late_status = 503

    def refusal(self, code: str, words: str, attr: str | None, status: int, image: Image | None) -> dict[str, Any]:
        """Give {"error": words}, with our code and the request's number beside it."""
        return plain_refusal(code, words, status, image)

    def answer(self, response: Response, image: Image, captions: list[Caption]) -> None:
        """Give [{"generated_text": "…"}], one entry per draft that was asked for."""
        response.data = [{"generated_text": caption.text} for caption in captions]


@extend_schema(exclude=True)
class ImageToText(HuggingFaceView):
    """`POST /models/{model}`; a model's name may hold slashes."""

    def post(self, request: Request, model: str) -> Response:
        """Caption the picture that is the body, or that stands in JSON as `inputs` with `parameters` beside it."""
        if request._request.content_type == JSON:
            body = take_json(request)
            chosen = _chosen(body.get("parameters") or {})
            file = _inputs(body.get("inputs"))
        else:
            chosen, file = {}, self._body(request)
        most = int(chosen.get("num_captions", 1))
        return self.caption(file=file, filename="", chosen=chosen, model=self.model(model), most=most)

    def _body(self, request: Request) -> IO[bytes]:
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        if not size:
            raise DeskError("no_file")
        if size > settings.MAX_UPLOAD_BYTES:
            raise DeskError("file_too_large")
        return cast(IO[bytes], request._request)  # HttpRequest reads like a file; django-stubs does not say so


def _inputs(given: Any) -> IO[bytes]:
    if not isinstance(given, str) or not given:
        raise DeskError("no_file", attr="inputs")
    return decode_data_uri(given, attr="inputs") if given.startswith("data:") else decode_base64(given, attr="inputs")


def _chosen(given: Any) -> dict[str, Value]:
    """Read the parameters: ours by their names, theirs in `generation_parameters` too. ParamsInvalid."""
    if not isinstance(given, dict):
        raise ValidationError({"parameters": _("Send a JSON object.")})
    inner = given.get("generation_parameters") or given.get("generate_kwargs") or {}
    if not isinstance(inner, dict):
        raise ValidationError({"generation_parameters": _("Send a JSON object.")})
    flat = {**given, **inner}
    flat.pop("generation_parameters", None)
    flat.pop("generate_kwargs", None)
    if "max_new_tokens" in flat:
        flat["max_length"] = flat.pop("max_new_tokens")
    return parse(flat, strict=True)
