"""What the platform remembers: pictures, jobs, captions, decisions, tokens and workers."""

from captions.models.account import Account
from captions.models.album import Album, AlbumImage, AlbumLink, AlbumShare, ImageTag, SavedSearch, Tag
from captions.models.answer import KeptAnswer
from captions.models.automatic import AutoApproval, AutoApproveRun
from captions.models.bulk import BulkJob
from captions.models.caption import Caption, CaptionImmutable
from captions.models.change import ImageChange
from captions.models.control import QueueControl
from captions.models.desk import Calibration, ReviewLease, ReviewPolicy, SecondReview
from captions.models.image import Image
from captions.models.job import CaptionJob, JobEvent
from captions.models.lab import Trial, TrialArm, TrialEntry, TrialVote
from captions.models.queue import DraftToReview
from captions.models.review import Review
from captions.models.token import ApiToken
from captions.models.upload import Import, Upload
from captions.models.webhook import AccountEvent, Webhook, WebhookAttempt, WebhookDelivery
from captions.models.words import SearchWords
from captions.models.worker import Worker

__all__ = [
    "Account",
    "AccountEvent",
    "Album",
    "AlbumImage",
    "AlbumLink",
    "AlbumShare",
    "ApiToken",
    "AutoApproval",
    "AutoApproveRun",
    "BulkJob",
    "Calibration",
    "Caption",
    "CaptionImmutable",
    "CaptionJob",
    "DraftToReview",
    "Image",
    "ImageChange",
    "ImageTag",
    "Import",
    "JobEvent",
    "KeptAnswer",
    "QueueControl",
    "Review",
    "ReviewLease",
    "ReviewPolicy",
    "SavedSearch",
    "SearchWords",
    "SecondReview",
    "Tag",
    "Trial",
    "TrialArm",
    "TrialEntry",
    "TrialVote",
    "Upload",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "Worker",
]
