"""The product's Celery application with the scripted captioner in the model's place."""

from tests.faults import scripted
from worker.app import app  # sets Django up, which the next import needs

from worker import service  # isort: skip

service.load_captioner = scripted.from_environment  # before Celery's worker begins, which is when the model is loaded

__all__ = ["app"]
