"""The chat completions of OpenAI's API, for programs that know that protocol: one picture in, its caption out.

The shapes are those of https://platform.openai.com/docs/api-reference/chat, read with the official Python package.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from captions import selectors
from captions.api.compatible import (
    CompatibleView,
    opened,
    refuse_others,
    take_json,
)
from captions.api.failures import request_number
from captions.api.shapes import of_openai
from captions.api.uploads import read_model
from captions.errors import DeskError
from captions.models import Caption, Image
from captions.params import KNOB, ParamsInvalid, Value, parse

#: Their name of a parameter by ours, for refusals.
_THEIRS: Final = {"max_length": "max_tokens", "num_captions": "n"}


class OpenAIView(CompatibleView):
    """Base of the views with OpenAI's shapes."""

    def refusal(self, code: str, words: str, attr: str | None, status: int, image: Image | None) -> dict[str, Any]:
        """Give {"error": {"message", "type", "param", "code"}}; a picture that was taken in is named beside it."""
        body = of_openai(code, words, status, request_number(), attr=attr)
        if image is not None:
            body["error"]["image"] = str(image.pk)
        return body

    def answer(self, response: Response, image: Image, captions: list[Caption]) -> None:
        """Most of these views have no words to give."""


class EventStream(BaseRenderer):
    """Writes chunks as server-sent events, the last of them [DONE]."""

    media_type = "text/event-stream"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Give the whole stream: all of a caption is there at once."""
        events = [*(json.dumps(chunk, ensure_ascii=False) for chunk in data), "[DONE]"]
        return "".join(f"data: {event}\n\n" for event in events).encode()


@extend_schema(exclude=True)
class ChatCompletions(OpenAIView):
    """`POST /v1/chat/completions`."""

    is_streamed = False

    def post(self, request: Request) -> Response:
        """Caption the one picture among the messages. Text beside it is not read: the models take no questions."""
        body = take_json(request)
        refuse_others((name for name, value in body.items() if value), never=("tools", "functions", "audio"))
        if _kind(body.get("response_format") or {}) not in {"", "text"}:
            refuse_others(("response_format",), never=("response_format",))
        self.is_streamed = body.get("stream") is True
        chosen = _chosen(body)
        model = self.model(read_model(body.get("model") or ""))
        with opened(_address(body.get("messages")), attr="messages", person_id=self.person.pk) as (file, filename):
            most = int(chosen.get("num_captions", 1))
            return self.caption(file=file, filename=filename, chosen=chosen, model=model, most=most)

    def answer(self, response: Response, image: Image, captions: list[Caption]) -> None:
        """Give a completion, or its chunks. Tokens were not counted, so `usage` is left out."""
        if not self.is_streamed:
            response.data = _completion(image, captions)
            return
        response.data = list(_chunks(image, captions))
        for target in (response, self.request):  # the request's is put upon the answer when this runs within the view
            target.accepted_renderer, target.accepted_media_type = EventStream(), EventStream.media_type


@extend_schema(exclude=True)
class OpenAIModels(OpenAIView):
    """`GET /v1/models`."""

    def get(self, request: Request) -> Response:
        """List the models that are served now, those that are a default first."""
        return Response({"object": "list", "data": [_model(one.name) for one in selectors.serving().served]})


@extend_schema(exclude=True)
class OneOpenAIModel(OpenAIView):
    """`GET /v1/models/{model}`."""

    def get(self, request: Request, model: str) -> Response:
        """Show one model that is served. Raises DeskError `model_not_served`."""
        self.model(model)
        return Response(_model(model))


@extend_schema(exclude=True)
class OpenAIUnknown(OpenAIView):
    """Every other address below /v1/."""

    def nothing(self, request: Request) -> Response:
        """Raise DeskError `not_found`."""
        raise DeskError("not_found")

    get = post = put = patch = delete = nothing


# --- What comes ----------------------------------------------------------------------------------------------------


def _address(messages: Any) -> str:
    """Find the one picture among the messages: a data URI or an address. Raises DeskError `no_picture`."""
    found = list(_addresses(messages))
    if not found:
        raise DeskError("no_picture", attr="messages")
    if len(found) > 1:
        raise ValidationError({"messages": _("Send one picture per request.")})
    return found[0]


def _addresses(messages: Any) -> Iterator[str]:
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else []:
            if _kind(part) == "image_url":
                given = part.get("image_url")
                address = given.get("url") if isinstance(given, dict) else given
                if not isinstance(address, str):
                    raise ValidationError({"messages": _("Give image_url a url.")})
                yield address


def _kind(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, dict) else ""


def _chosen(body: dict[str, Any]) -> dict[str, Value]:
    """Read the generation parameters under their names. Raises ParamsInvalid with their names."""
    try:
        return parse(_in_our_words(body))
    except ParamsInvalid as error:
        raise ParamsInvalid({_THEIRS.get(name, name): words for name, words in error.problems.items()}) from None


def _in_our_words(body: dict[str, Any]) -> dict[str, Any]:
    limit = body.get("max_completion_tokens")
    given = {
        "max_length": _at_most("max_length", body.get("max_tokens") if limit is None else limit),
        "num_captions": body.get("n"),
        "seed": body.get("seed"),
    }
    temperature, top_p = body.get("temperature"), body.get("top_p")
    if temperature == 0 or (temperature is None and top_p in (None, 1)):  # no set: a list has no place in one
        return given
    # Above 0 their models pick words by chance. Ours do too, then, each word by itself.
    by_chance = {"do_sample": True, "num_beams": 1, "top_p": _at_least("top_p", top_p)}
    return {**given, **by_chance, "temperature": _at_least("temperature", temperature)}


def _at_most(name: str, value: Any) -> Any:
    """A promise to stop after 4,000 tokens is kept by stopping after 64."""
    most = KNOB[name].maximum
    return most if _is_number(value) and most is not None and value > most else value


def _at_least(name: str, value: Any) -> Any:
    least = KNOB[name].minimum
    return least if _is_number(value) and least is not None and 0 < value < least else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# --- What goes back ------------------------------------------------------------------------------------------------


def _frame(kind: str, image: Image, captions: list[Caption]) -> dict[str, Any]:
    first = captions[0]
    return {
        "id": f"chatcmpl-{first.pk}",
        "object": kind,
        "created": int(time.time()),
        "model": first.model or "a person",
        "image": str(image.pk),
    }


def _completion(image: Image, captions: list[Caption]) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": caption.text, "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
        for index, caption in enumerate(captions)
    ]
    return {**_frame("chat.completion", image, captions), "choices": choices}


def _chunks(image: Image, captions: list[Caption]) -> Iterator[dict[str, Any]]:
    frame = _frame("chat.completion.chunk", image, captions)
    for index, caption in enumerate(captions):
        words = {"index": index, "delta": {"role": "assistant", "content": caption.text}, "finish_reason": None}
        yield {**frame, "choices": [words]}
        yield {**frame, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}


def _model(name: str) -> dict[str, Any]:
    # `created` is required by their clients; when a model was made is not known here.
    return {"id": name, "object": "model", "created": 0, "owned_by": "caption-desk"}
