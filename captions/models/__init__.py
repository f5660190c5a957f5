"""What the platform remembers: pictures, jobs, captions, decisions, tokens and workers."""

from captions.models.account import Account
from captions.models.caption import Caption, CaptionImmutable
from captions.models.image import Image
from captions.models.job import CaptionJob, JobEvent
from captions.models.queue import DraftToReview
from captions.models.review import Review
from captions.models.token import ApiToken
from captions.models.worker import Worker

__all__ = [
    "Account",
    "ApiToken",
    "Caption",
    "CaptionImmutable",
    "CaptionJob",
    "DraftToReview",
    "Image",
    "JobEvent",
    "Review",
    "Worker",
]
