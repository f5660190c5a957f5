"""What the platform keeps about one person beside Django's user: the counter behind picture numbers."""

from django.conf import settings
from django.db import models


class Account(models.Model):
    """One row per user. Its row lock orders that user's uploads, so that two pictures never get one number."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="account"
    )
    last_number = models.PositiveIntegerField(default=0)
    has_first_password = models.BooleanField(default=False, help_text="Still uses the password printed at first start.")

    def __str__(self) -> str:
        return f"account of {self.user_id}"
