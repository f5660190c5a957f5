"""What Label Studio calls things: its labelling set-up, and words as its TextArea holds them.

The shapes are those of https://labelstud.io/guide/task_format and https://labelstud.io/tags/textarea.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from captions import xml_reading
from captions.errors import DeskError
from captions.models import Caption, Image

#: The control that exports fill in and imports look for first.
CONTROL: Final = "caption"
#: What stands for the model where a person wrote the words.
BY_HAND: Final = "written by hand"


@dataclass(frozen=True, slots=True)
class Control:
    """A TextArea for a picture: its name, that of the Image it belongs to, and the key of the picture's address."""

    name: str = CONTROL
    of: str = "image"
    key: str = "image"


def control_in(config: str) -> Control:
    """Find the TextArea that takes captions in a project's labelling set-up; one named `caption` before all others.

    Raises DeskError `label_config_wrong` when there is none for an Image, and those of `xml_reading.read`.
    """
    found = _Tags()
    if config.strip():
        xml_reading.read(config, found)
    fitting = [(name, of) for name, of in found.areas if of in found.images]
    if not fitting:
        raise DeskError("label_config_wrong", attr="label_config")
    name, of = next((one for one in fitting if one[0] == CONTROL), fitting[0])
    return Control(name, of, found.images[of])


@dataclass
class _Tags:
    images: dict[str, str] = field(default_factory=dict)
    areas: list[tuple[str, str]] = field(default_factory=list)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        given = {key.lower(): value for key, value in attributes.items()}
        if name.lower() == "image":
            self.images[given.get("name", "")] = given.get("value", "").lstrip("$")
        elif name.lower() == "textarea":
            self.areas.append((given.get("name", ""), given.get("toname", "")))

    def end(self, name: str, text: str) -> None:
        pass


def result(caption: Caption, control: Control) -> list[dict[str, Any]]:
    """Give a caption's words as the `result` of a prediction or an annotation."""
    return [
        {
            "id": str(caption.pk),
            "from_name": control.name,
            "to_name": control.of,
            "type": "textarea",
            "value": {"text": [caption.text]},
        }
    ]


def prediction(image: Image, caption: Caption, control: Control) -> dict[str, Any]:
    """Give a caption as a prediction: with the model that drafted it, and how far it is to be trusted."""
    return {
        "model_version": model_version(caption.model, caption.revision) if caption.model else BY_HAND,
        "score": score(image, caption),
        "result": result(caption, control),
    }


def model_version(model: str, revision: str) -> str:
    """Name a model as its predictions do: Label Studio asks again for tasks that lack one of the version in use."""
    return f"{model}@{revision}" if revision else model


def score(image: Image, caption: Caption) -> float | None:
    """Give how far words are to be trusted, from 0 to 1; None for words of a person that nobody decided on.

    That is 1 for published words, the quality score for the draft on show, and else what the model makes of it: the
    mean probability of its words.
    """
    if caption.pk == image.published_caption_id:
        return 1.0
    if caption.pk == image.caption_id and image.quality is not None:
        return round(image.quality, 4)
    return None if caption.score is None else round(math.exp(caption.score), 4)
