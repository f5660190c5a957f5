"""A client of Caption Desk's REST API: `Client` waits for each answer, `AsyncClient` keeps no event loop waiting."""

from captiondesk import models
from captiondesk.client import VERSION, AsyncClient, Client
from captiondesk.errors import (
    ApiError,
    CaptionDeskError,
    ChangedMeanwhile,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ServerFailed,
    Throttled,
    UnexpectedAnswer,
    UploadRefused,
    WaitedTooLong,
    WebhookRefused,
)
from captiondesk.parameters import GenerationParams
from captiondesk.retrying import Retries
from captiondesk.signatures import verify_webhook
from captiondesk.streams import Event, EventData

__version__ = VERSION

__all__ = [
    "ApiError",
    "AsyncClient",
    "CaptionDeskError",
    "ChangedMeanwhile",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "EventData",
    "GenerationParams",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Retries",
    "ServerFailed",
    "Throttled",
    "UnexpectedAnswer",
    "UploadRefused",
    "WaitedTooLong",
    "WebhookRefused",
    "__version__",
    "models",
    "verify_webhook",
]
