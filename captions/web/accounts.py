"""How people come in: allauth's adapter with the desk's settings."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from captions.models import Account


class DeskAccountAdapter(DefaultAccountAdapter):
    """Opens sign-up only where the operator allowed it, and notices that the first password is gone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password the person chose; the note about the printed one goes away with it."""
        super().set_password(user, password)
        Account.objects.filter(user_id=user.pk, has_first_password=True).update(has_first_password=False)
