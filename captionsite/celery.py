"""The Celery application of the web half and the scheduler. Caption workers build on it in worker/app.py."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")

app = Celery("captiondesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["captions"])
