"""How people come in: allauth's adapter with the desk's settings."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from captions.models import Account


class DeskAccountAdapter(DefaultAccountAdapter):
    """Opens sign-up only where the operator allowed it, and notices that the first password is gone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether strangers may make an account."""
        return bool(settings.ALLOW_SIGNUP)

    def is_safe_url(self, url: str | None) -> bool:
        """Lead back only within this site; the library would also trust every other name in ALLOWED_HOSTS."""
        return bool(url) and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def set_password(self, user: AbstractBaseUser, password: str) -> None:
        """Set a password the person chose; the note about the printed one goes away with it."""
        super().set_password(user, password)
        Account.objects.filter(user_id=user.pk, has_first_password=True).update(has_first_password=False)
