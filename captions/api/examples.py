"""Requests and answers as they really look, for the OpenAPI document. A test holds the answers to their schema."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from captions.errors import FAILURES

_SITE: Final = "https://captions.example.org/api/v1"
_IMAGE_ID: Final = "0199f3a2-5c1e-7d40-8b21-6a6f0d6f4c11"
_JOB_ID: Final = "0199f3a2-5c30-7a52-9c3e-0f4f2d1b7a90"
_DRAFT_ID: Final = "0199f3a2-7f02-7e11-8d5a-41c8f1f3b6d2"
_WRITTEN_ID: Final = "0199f3a5-1c44-7b0a-a1f2-94c1c5a7e3d8"

PARAMS: Final[dict[str, Any]] = {
    "max_length": 16,
    "num_beams": 4,
    "do_sample": False,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "num_captions": 1,
    "seed": None,
}
DRAFT: Final[dict[str, Any]] = {
    "id": _DRAFT_ID,
    "image": _IMAGE_ID,
    "text": "a red circle above a blue square on a white background",
    "kind": "generated",
    "purpose": "alt",
    "language": "en",
    "score": -0.21,
    "rank": 1,
    "model": "demo",
    "revision": "1",
    "params": PARAMS,
    "seed": None,
    "author": None,
    "parent": None,
    "job": _JOB_ID,
    "created_at": "2026-03-02T09:14:08.412000Z",
}
WRITTEN: Final[dict[str, Any]] = {
    **DRAFT,
    "id": _WRITTEN_ID,
    "text": "A red disc above a blue square.",
    "kind": "written",
    "score": None,
    "rank": None,
    "model": None,
    "revision": None,
    "params": {},
    "author": "olga",
    "job": None,
    "created_at": "2026-03-02T09:20:41.007000Z",
}
_RESTORED: Final[dict[str, Any]] = {**WRITTEN, "kind": "restored", "parent": _DRAFT_ID, "text": DRAFT["text"]}
_EDITED: Final[dict[str, Any]] = {**WRITTEN, "kind": "edited", "parent": _DRAFT_ID}
_QUEUED: Final[dict[str, Any]] = {
    "id": _JOB_ID,
    "image": _IMAGE_ID,
    "state": "queued",
    "attempt": 0,
    "model": None,
    "params": PARAMS,
    "chosen": {"num_beams": 4},
    "error": None,
    "notice": None,
    "captions": [],
    "created_at": "2026-03-02T09:14:05.120000Z",
    "started_at": None,
    "finished_at": None,
}
_DONE: Final[dict[str, Any]] = {
    **_QUEUED,
    "state": "done",
    "attempt": 1,
    "captions": [DRAFT],
    "started_at": "2026-03-02T09:14:05.310000Z",
    "finished_at": "2026-03-02T09:14:08.415000Z",
}
_CANCELLED: Final[dict[str, Any]] = {
    **_QUEUED,
    "state": "cancelled",
    "attempt": 1,
    "finished_at": "2026-03-02T09:14:08.415000Z",
}
_IMAGE: Final[dict[str, Any]] = {
    "id": _IMAGE_ID,
    "number": 7,
    "owner": "olga",
    "filename": "shapes.png",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "format": "PNG",
    "width": 1600,
    "height": 1200,
    "frames": 1,
    "bytes": 48213,
    "state": "draft",
    "caption": DRAFT,
    "published_caption": None,
    "title": "",
    "is_decorative": False,
    "alt_text": None,
    "long_description": None,
    "tags": ["shapes"],
    "albums": [{"id": "0199f3a1-0c21-7e90-b1a4-5d2f0c9e7a31", "name": "Drawn scenes"}],
    "quality": 0.82,
    "published_by_rule": False,
    "created_at": "2026-03-02T09:14:05.101000Z",
    "deleted_at": None,
    "urls": {kind: f"{_SITE}/images/{_IMAGE_ID}/{kind}/" for kind in ("thumbnail", "medium", "screen", "original")},
}
_WITH_JOBS: Final[dict[str, Any]] = {**_IMAGE, "jobs": [_DONE]}
_NOT_READY: Final[dict[str, Any]] = {**_IMAGE, "state": "queued", "caption": None, "quality": None, "jobs": [_QUEUED]}
_APPROVED: Final[dict[str, Any]] = {
    **_WITH_JOBS,
    "state": "approved",
    "published_caption": DRAFT,
    "alt_text": DRAFT["text"],
    "quality": None,
}
_REVIEW: Final[dict[str, Any]] = {
    "id": "0199f3a6-02b7-7c31-9f00-3d6ad0f7e514",
    "image": _IMAGE_ID,
    "caption": DRAFT,
    "reviewer": "olga",
    "decision": "approve",
    "reason": "",
    "undoes": None,
    "is_automatic": False,
    "quality": None,
    "created_at": "2026-03-02T09:21:30.554000Z",
}
_ME: Final[dict[str, Any]] = {
    "username": "olga",
    "email": "olga@example.org",
    "is_reviewer": False,
    "images": {"draft": 3, "approved": 4},
    "token": {
        "name": "nightly import",
        "hint": "cdesk_k3Yx0q",
        "scopes": ["images:read", "images:write"],
        "created_at": "2026-03-01T18:00:00Z",
        "expires_at": None,
    },
    "service": {"ready": True, "model": "demo", "revision": "1", "is_demo": True, "notice": "A demo model answers."},
    "limits": {"max_upload_bytes": 52428800, "max_pixels": 64000000, "max_frames": 300, "formats": ["JPEG", "PNG"]},
}


_MODEL: Final[dict[str, Any]] = {
    "name": "nlpconnect/vit-gpt2-image-captioning",
    "names": ["nlpconnect/vit-gpt2-image-captioning", "vit-gpt2"],
    "title": "ViT-GPT2: everyday photographs, short English sentences",
    "revision": "dc68f91c06a1ba6f15268e5b9c13ae7a7c514084",
    "device": "cuda:0",
    "precision": "fp16",
    "is_demo": False,
    "is_default": True,
    "workers": 2,
    "seconds_per_image": 0.021,
    "defaults": PARAMS,
}
_LACKING: Final[dict[str, Any]] = {
    **_QUEUED,
    "model": "vit-gpt2",
    "notice": {
        "code": "model_not_served",
        "detail": "No worker serves the model “vit-gpt2” now. "
        "The picture is safe, keeps its place and starts by itself when one does.",
    },
}


_FILE: Final[dict[str, Any]] = {
    "id": "0199f3a1-9d02-7c55-8e0b-2b7c3d4e5f60",
    "filename": "shapes.png",
    "folder": "Holiday/Day 1",
    "length": 48213,
    "offset": 48213,
    "state": "done",
    "error": None,
    "image": _IMAGE_ID,
    "parent": None,
    "batch": None,
    "created_at": "2026-03-02T09:14:04.900000Z",
    "expires_at": "2026-03-05T09:14:05.101000Z",
}
_ALBUM: Final[dict[str, Any]] = {
    "id": "0199f3a1-0c21-7e90-b1a4-5d2f0c9e7a31",
    "name": "Drawn scenes",
    "owner": "olga",
    "pictures": 12,
    "role": "own",
    "created_at": "2026-03-01T18:12:00Z",
}
_SHARE: Final[dict[str, Any]] = {
    "id": "0199f3a1-4d0e-7b52-9a3d-1b7c5e9f2a60",
    "user": "rita",
    "role": "review",
    "created_at": "2026-03-01T18:15:00Z",
}
_LINK: Final[dict[str, Any]] = {
    "id": "0199f3a1-7f30-7c11-8e24-6a0d9b3c5e72",
    "created_by": "olga",
    "created_at": "2026-03-01T18:16:00Z",
    "expires_at": "2026-03-08T18:16:00Z",
    "last_used_at": "2026-03-02T08:00:11Z",
}
_NEW_LINK: Final[dict[str, Any]] = {
    **_LINK,
    "last_used_at": None,
    "url": f"https://captions.example.org/shared/{'k' * 43}/",
}
_TAG: Final[dict[str, Any]] = {
    "id": "0199f3a1-9a55-7d02-a6f1-2c8e0b4d6f83",
    "name": "shapes",
    "pictures": 12,
    "created_at": "2026-03-01T18:20:00Z",
}
_QUALITY: Final[dict[str, Any]] = {
    "method": "logistic+isotonic",
    "decisions": 1500,
    "approved": 904,
    "brier": 0.148,
    "fitted_at": "2026-03-02T09:00:00Z",
    "bins": [
        {"at_least": 0.8, "below": 0.9, "mean": 0.86, "share": 0.85, "low": 0.8, "high": 0.89, "decisions": 214},
    ],
    "by_model": [{"model": "vit-gpt2", "decisions": 1500, "approved": 904, "mean": 0.6, "brier": 0.148}],
    "thresholds": [{"threshold": 0.9, "passed": 402, "right": 381, "low": 0.921, "high": 0.966}],
    "auto_approve_from": None,
}
_SEARCH: Final[dict[str, Any]] = {
    "id": "0199f3a7-3b10-7f25-8a44-5d2c9e7b0f62",
    "name": "Boats to decide",
    "query": "boat state:draft quality:<0.5",
    "created_at": "2026-03-02T09:30:12.660000Z",
}

_WEBHOOK: Final[dict[str, Any]] = {
    "id": "0199f3b0-11c2-7a90-b2d1-0c5f3f1a9e27",
    "name": "catalogue",
    "url": "https://catalogue.example.org/captions",
    "events": ["caption.approved", "job.failed"],
    "is_on": True,
    "off": "",
    "failing_since": None,
    "created_at": "2026-03-02T09:40:00.120000Z",
}
_SECRET: Final = "whsec_TUlOVFZbX2NnbG50eHyAhIiMkJSYnKCkqKywtLi8wMQ="  # noqa: S105  # an example, signs nothing
_DELIVERY: Final[dict[str, Any]] = {
    "id": "0199f3b1-2d44-7c08-9a1e-77b0c0d5e8f3",
    "message": "msg_0199f3b12d407e6f8f2a3d1b5c9e7a10",
    "type": "caption.approved",
    "state": "delivered",
    "body": {
        "type": "caption.approved",
        "timestamp": "2026-03-02T09:41:30.000000+00:00",
        "data": {
            "image": _IMAGE_ID,
            "review": _REVIEW["id"],
            "decision": "approve",
            "caption": {"id": DRAFT["id"], "text": DRAFT["text"], "kind": "generated", "language": "en"},
            "published_caption": DRAFT["id"],
            "is_automatic": False,
        },
    },
    "attempts": [
        {"status": 204, "error": "", "answer": "", "seconds": 0.08, "created_at": "2026-03-02T09:41:33.100000Z"}
    ],
    "due_at": None,
    "created_at": "2026-03-02T09:41:30.010000Z",
}
_PING: Final[dict[str, Any]] = {
    **_DELIVERY,
    "message": "msg_0199f3b12d447c089a1e77b0c0d5e8f3",
    "type": "webhook.test",
    "state": "pending",
    "body": {"type": "webhook.test", "timestamp": "2026-03-02T09:41:30.010000+00:00", "data": {}},
    "attempts": [],
    "due_at": "2026-03-02T09:41:30.010000Z",
}

_BULK: Final[dict[str, Any]] = {
    "id": "0199f3c0-7a11-7e52-8b0d-2f4a6c8e1b35",
    "action": "approve",
    "state": "running",
    "total": 400,
    "done": 119,
    "failures": [
        {"image": _IMAGE_ID, "code": "not_found", "detail": FAILURES["not_found"].english},
    ],
    "created_at": "2026-03-02T10:02:00.000000Z",
    "finished_at": None,
}
_BULK_NEW: Final[dict[str, Any]] = {**_BULK, "state": "queued", "done": 0, "failures": []}


def _answer(name: str, value: Any, *statuses: int) -> OpenApiExample:
    return OpenApiExample(name, value, response_only=True, status_codes=[str(status) for status in statuses or (200,)])


def _body(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value, request_only=True, media_type="application/json")


_TASK: Final = {
    "data": {
        "image": "https://captions.example.org/labelled/WzEsIjAxOTlmM2EyLi4uIl0.1wXyZa.signature/",
        "id": _IMAGE_ID,
        "sha256": "9f2c8d1e0b7a6f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0f9e8d7c",
        "filename": "shapes.jpg",
        "title": "",
        "state": "draft",
    },
    "annotations": [],
    "predictions": [
        {
            "model_version": "demo@1",
            "score": 0.83,
            "result": [
                {
                    "id": _DRAFT_ID,
                    "from_name": "caption",
                    "to_name": "image",
                    "type": "textarea",
                    "value": {"text": [DRAFT["text"]]},
                }
            ],
        }
    ],
}

# drf-spectacular puts the example of a row into the wrapping of a page by itself.
IMAGES: Final = [_answer("A picture with a draft", _IMAGE)]
IMAGE_WITH_JOBS: Final = [_answer("A picture with a draft", _WITH_JOBS)]
UPLOAD: Final = [
    _body("By its address", {"url": "https://example.org/harbour.jpg", "num_beams": 4}),
    _answer("Captioned in time", _WITH_JOBS, 201),
    _answer("Known already", _APPROVED, 200),
    _answer("Not ready yet", _NOT_READY, 202),
]
CAPTIONS: Final = [_answer("A draft", DRAFT)]
WRITE: Final = [_body("Words by hand", {"text": WRITTEN["text"]}), _answer("The caption", WRITTEN, 201)]
RESTORE: Final = [_answer("The copy", _RESTORED, 201)]
JOBS: Final = [_answer("A job that is done", _DONE)]
SEARCHES: Final = [_answer("A saved search", _SEARCH)]
SAVE_SEARCH: Final = [
    _body("A search with its name", {"name": _SEARCH["name"], "query": _SEARCH["query"]}),
    _answer("The saved search", _SEARCH, 201),
]
CHANGE_SEARCH: Final = [_body("Another name", {"name": "Boats"}), _answer("The saved search", _SEARCH)]
MODELS: Final = [_answer("A model on a GPU", _MODEL)]
JOB: Final = [_answer("A job that is done", _DONE), _answer("A job whose model nobody serves now", _LACKING)]
QUEUED_JOB: Final = [_answer("Back in the queue", _QUEUED)]
CANCELLED_JOB: Final = [_answer("Cancelled", _CANCELLED)]
REQUEST_CAPTIONS: Final = [
    _body("Three drafts, by chance", {"num_captions": 3, "do_sample": True, "top_p": 0.9, "seed": 7}),
    _body("As the model likes it", {}),
    _body("By a certain model", {"model": "vit-gpt2"}),
    _answer("A new job", _QUEUED, 201),
    _answer("Asked for already", _QUEUED, 200),
    _answer("Not ready yet", _QUEUED, 202),
]
NEXT_REVIEWS: Final = [
    _body("Ten pictures, least sure first", {"n": 10, "order": "least-sure"}),
    _answer("One picture", {"image": _IMAGE, "caption": DRAFT, "drafts": [DRAFT], "seen": "", "lease_seconds": 120.0}),
]
QUALITY: Final = [_answer("Learned", _QUALITY)]
REVIEWS: Final = [_answer("An approval", _REVIEW)]
DECISIONS: Final = [
    _body("Approve", {"decision": "approve"}),
    _body("Correct and approve", {"decision": "edit", "text": _EDITED["text"], "caption": _DRAFT_ID}),
    _body("Reject", {"decision": "reject", "reason": "Wrong count"}),
    _body("Approve what the queue handed out", {"decision": "approve", "caption": _DRAFT_ID, "seen": ""}),
    _answer("Published", _APPROVED),
]
ABOUT: Final = [
    _body("A title and tags", {"title": "Shapes, first sheet", "tags": ["shapes"]}),
    _body("Decorative", {"is_decorative": True}),
    _answer("The picture", {**_WITH_JOBS, "title": "Shapes, first sheet"}),
]
ALBUM: Final = [_answer("An album", _ALBUM)]
NEW_ALBUM: Final = [
    _body("A name", {"name": "Drawn scenes"}),
    _answer("An empty album", {**_ALBUM, "pictures": 0}, 201),
]
RENAMED_ALBUM: Final = [_body("A name", {"name": "Drawn scenes"}), _answer("The album", _ALBUM)]
ALBUM_PICTURES: Final = [_body("One in", {"add": [_IMAGE_ID]}), _answer("It is new there", {"added": 1, "removed": 0})]
SHARES: Final = [_answer("A share", _SHARE)]
NEW_SHARE: Final = [_body("By name", {"user": "rita", "role": "review"}), _answer("The share", _SHARE, 201)]
CHANGED_SHARE: Final = [_body("A role", {"role": "review"}), _answer("The share", _SHARE)]
LINKS: Final = [_answer("A link", _LINK)]
NEW_LINK: Final = [
    _body("For a week", {"days": 7}),
    _answer("Its address", _NEW_LINK, 201),
]
TAGS: Final = [_answer("A tag", _TAG)]
RENAMED_TAG: Final = [_body("A name", {"name": "shapes"}), _answer("The tag", _TAG)]
MARKS: Final = [
    _body("One tag on one picture", {"images": [_IMAGE_ID], "add": ["shapes"]}),
    _answer("Done", {"tagged": 1, "untagged": 0}),
]
ME: Final = [_answer("A token of Olga's", _ME)]
UPLOADS: Final = [_answer("A file that became a picture", _FILE)]
PRESIGNED_UPLOAD: Final = [
    _body("One file", {"filename": "shapes.png", "length": 48213}),
    _answer(
        "Where it is put",
        {
            "upload": {**_FILE, "folder": "", "offset": 0, "state": "open", "image": None},
            "address": {
                "method": "PUT",
                "url": f"https://storage.example.org/desk/uploads/{_FILE['id']}?X-Amz-Signature=9f2c41",
                "headers": {"Content-Length": "48213"},
                "expires_at": "2026-03-02T10:14:04.900000Z",
            },
        },
        201,
    ),
]
WEBHOOKS: Final = [_answer("One that works", _WEBHOOK)]
NEW_WEBHOOK: Final = [
    _body("Told of two events", {key: _WEBHOOK[key] for key in ("name", "url", "events")}),
    _answer("The webhook with its secret", {**_WEBHOOK, "signing_secret": _SECRET}, 201),
]
CHANGE_WEBHOOK: Final = [_body("Switched on again", {"is_on": True}), _answer("As it is now", _WEBHOOK)]
WEBHOOK_SECRET: Final = [
    _answer("The new secret", {"signing_secret": _SECRET, "old_secret_until": "2026-03-03T09:40:00.120000Z"})
]
DELIVERIES: Final = [_answer("One that arrived", _DELIVERY)]
NEW_DELIVERY: Final = [_answer("On its way", _PING, 201)]
REPLAYED_DELIVERY: Final = [
    _answer("On its way again", {**_DELIVERY, "state": "pending", "due_at": "2026-03-02T10:00:00Z"})
]
BULK_JOBS: Final = [_answer("Under way", _BULK)]
CANCELLED_BULK_JOB: Final = [
    _answer("Stopped", {**_BULK, "state": "cancelled", "finished_at": "2026-03-02T10:02:09.000000Z"})
]


def _asked_for_many(action: str, **asked: Any) -> list[OpenApiExample]:
    body = {"images": [_IMAGE_ID, "0199f3a2-6d20-7c11-9a77-0f1e2d3c4b5a"], **asked}
    return [_body("Two pictures", body), _answer("The job", {**_BULK_NEW, "action": action, "total": 2}, 202)]


BULK_CAPTION: Final = _asked_for_many("caption", num_captions=3)
BULK_REVIEW: Final = _asked_for_many("reject", decision="reject", reason="wrong")
BULK_TAG: Final = _asked_for_many("tag", add=["harbour"])
BULK_DELETE: Final = _asked_for_many("delete")
EXPORT: Final = [_answer("A task for Label Studio", [_TASK])]
CAPTION_IMPORT: Final = [
    _body(
        "A task from Label Studio",
        [
            {
                "id": 1,
                "data": {"image": "https://example.org/shapes.jpg", "id": _IMAGE_ID},
                "annotations": [
                    {"result": [{"from_name": "caption", "to_name": "image", "type": "textarea",
                                 "value": {"text": [WRITTEN["text"]]}}]}
                ],
            }
        ],
    ),
    _answer(
        "One new, one without its picture",
        {
            "written": 1,
            "known": 0,
            "approved": 0,
            "drafts": 0,
            "waiting": 0,
            "left": 1,
            "unmatched": [
                {
                    "picture": "harbour.jpg",
                    "code": "label_unmatched",
                    "detail": "No picture of yours has this name. Add the picture, then import the file again.",
                }
            ],
        },
    ),
]  # fmt: skip
