"""A client of Caption Desk's REST API: `Client` waits for each answer, `AsyncClient` keeps no event loop waiting."""

from captiondesk import models
from captiondesk.client import VERSION, AsyncClient, Client
from captiondesk.errors import (
    ApiError,
    CaptionDeskError,
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
)
from captiondesk.parameters import GenerationParams
from captiondesk.retrying import Retries

__version__ = VERSION

__all__ = [
    "ApiError",
    "AsyncClient",
    "CaptionDeskError",
    "Client",
    "Conflict",
    "ConnectionFailed",
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
    "__version__",
    "models",
]
