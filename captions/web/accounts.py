"""How people come in: allauth's adapter with the desk's settings."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class DeskAccountAdapter(DefaultAccountAdapter):
    """Opens sign-up only where the operator allowed it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)
