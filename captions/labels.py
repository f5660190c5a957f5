"""Captions in the files of labelling tools: Label Studio's JSON export, and CVAT's XML 1.1, alone or in its ZIP file.

Nothing is looked up here: a file gives texts, each with what it says about its picture.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from captions import xml_reading
from captions.errors import DeskError
from captions.label_studio import CONTROL
from captions.plain import json_parts, one_line

#: Attributes of a CVAT tag that hold words; others (a colour, a grade) are somebody else's.
ATTRIBUTES: Final = ("text", "caption")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# Label Studio puts this before the name of a file that is uploaded to it.
_UPLOADED: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
_LONGEST_NAME: Final = 1000
#: Names, values and entries of JSON that are read while somebody waits: 28 MiB of `[],` would take most of a gigabyte.
MOST_PARTS: Final = 1_000_000
_IN_ZIP: Final = "annotations.xml"
_BROKEN_ZIP: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


@dataclass(frozen=True, slots=True)
class Label:
    """One text for one picture, which is named by our id, by the sha256 of its original or by its file's names.

    `picture` is what the file calls it. `is_draft`: a machine's words that no person touched.
    """

    text: str
    picture: str
    id: UUID | None = None
    sha256: str = ""
    filenames: tuple[str, ...] = ()
    is_draft: bool = False


def read(file: IO[bytes], *, most_bytes: int, most: int | None = None) -> list[Label]:
    """Give the texts of a file, in its order; it is told by its beginning what it is.

    Raises DeskError `body_too_large`, `labels_too_many` above `most` texts, `labels_empty`, `labels_unreadable`, and
    those of `xml_reading.read`.
    """
    data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise DeskError("body_too_large")
    if data.startswith(b"PK"):
        data = _unpacked(data, most_bytes)
    begins = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if begins not in {b"<", b"[", b"{"}:
        raise DeskError("labels_unreadable")
    is_bounded = most is not None
    labels = (_of_cvat if begins == b"<" else _of_label_studio)(data, is_bounded=is_bounded)
    found = list(labels if most is None else islice(labels, most + 1))
    if most is not None and len(found) > most:
        raise DeskError("labels_too_many")
    if not found:
        raise DeskError("labels_empty")
    return found


def _unpacked(data: bytes, most_bytes: int) -> bytes:
    """Give the annotations in a ZIP file of CVAT's; nothing else in it is opened, and no more than allowed is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(_IN_ZIP) as inner:
            found = inner.read(most_bytes + 1)
    except (KeyError, *_BROKEN_ZIP):
        raise DeskError("labels_unreadable") from None
    if len(found) > most_bytes:
        raise DeskError("body_too_large")
    return found


# --- Label Studio --------------------------------------------------------------------------------------------------


def _of_label_studio(data: bytes, *, is_bounded: bool) -> Iterator[Label]:
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        if is_bounded and json_parts(text) > MOST_PARTS:
            raise DeskError("body_too_large")
        tasks = json.loads(text)
    except (ValueError, RecursionError):
        raise DeskError("labels_unreadable") from None
    tasks = tasks if isinstance(tasks, list) else [tasks]
    if not all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks):
        raise DeskError("labels_unreadable")
    for task in tasks:
        named = _named(task)
        for text in _texts(task.get("annotations")):
            yield Label(text=text, **named)


def _named(task: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a task says about its picture."""
    data = task["data"]
    told = [data.get("filename"), task.get("file_upload"), data.get("image"), *data.values()]
    addresses = [one for one in told if isinstance(one, str) and one and not one.startswith("data:")]
    files = [_file_of(one) for one in addresses[:1]]
    names = tuple(dict.fromkeys(name for file in files for name in (file, _UPLOADED.sub("", file, count=1)) if name))
    sha256 = str(data.get("sha256") or "").lower()
    return {
        "picture": names[0] if names else _name(str(task.get("id", ""))),
        "id": _id(data.get("id")),
        "sha256": sha256 if _SHA256.fullmatch(sha256) else _sha256_in(names[0] if names else ""),
        "filenames": names,
    }


def _texts(annotations: Any) -> Iterator[str]:
    """Give the texts of a task's annotations, those that count as the truth last; skipped tasks have none."""
    given = [one for one in annotations if isinstance(one, dict)] if isinstance(annotations, list) else []
    for annotation in sorted(given, key=lambda one: bool(one.get("ground_truth"))):
        if annotation.get("was_cancelled"):
            continue
        results = [one for one in annotation.get("result") or [] if isinstance(one, dict)]
        areas = [one for one in results if one.get("type") == "textarea"]
        named = [one for one in areas if one.get("from_name") == CONTROL]
        for area in named or areas:
            value = area.get("value")
            texts = value.get("text") if isinstance(value, dict) else None
            for text in texts if isinstance(texts, list) else [texts]:
                if isinstance(text, str) and text.strip():
                    yield text


def _id(given: Any) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _file_of(address: str) -> str:
    """Give the name of the file that an address or a path leads to."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    inner = parse_qs(parts.query).get("d", [""])[0] if parts.query else ""  # Label Studio's local files
    return _name(unquote((inner or parts.path).rpartition("/")[2]))


def _name(given: str) -> str:
    """Give a name as ours are kept; what no database takes (a NUL, half of a surrogate pair) is no part of them."""
    return one_line(given[-_LONGEST_NAME:])


# --- CVAT ----------------------------------------------------------------------------------------------------------


def _of_cvat(data: bytes, *, is_bounded: bool) -> Iterator[Label]:
    found = _Annotations()
    xml_reading.read(data, found, most=xml_reading.MOST_ELEMENTS if is_bounded else None)
    yield from found.labels


@dataclass
class _Annotations:
    """Hears CVAT's elements: `annotations` / `image` / `tag` / `attribute`."""

    labels: list[Label] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _image: str = ""
    _is_draft: bool = False
    _attribute: str = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._open and name != "annotations":
            raise DeskError("labels_unreadable")
        self._open.append(name)
        if name == "image":
            self._image = _name(attributes.get("name", ""))
        elif name == "tag":
            self._is_draft = attributes.get("source") == "auto"
        elif name == "attribute":
            self._attribute = attributes.get("name", "")

    def end(self, name: str, text: str) -> None:
        is_words = self._open[-3:] == ["image", "tag", "attribute"] and self._attribute in ATTRIBUTES
        self._open.pop()
        if not is_words or not text.strip():
            return
        file = self._image.replace("\\", "/").rpartition("/")[2]
        self.labels.append(
            Label(text, self._image, None, _sha256_in(self._image), (file,) if file else (), self._is_draft)
        )


def _sha256_in(name: str) -> str:
    """Give the sha256 that stands in a picture's name, as a folder or before the ending; "" for none."""
    parts = (part.rpartition(".")[0] or part for part in name.replace("\\", "/").split("/"))
    return next((part.lower() for part in parts if _SHA256.fullmatch(part.lower())), "")
