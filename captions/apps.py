"""The product's Django application."""

from django.apps import AppConfig


class CaptionsConfig(AppConfig):
    """Pictures, captions, jobs and reviews."""

    name = "captions"
    verbose_name = "Caption Desk"
    default_auto_field = "django.db.models.BigAutoField"
