"""One person's own row, by which their requests wait for one another."""

from __future__ import annotations

from django.contrib.auth.models import User

from captions.models import Account


def hold(owner: User) -> Account:
    """Lock a person's account for the rest of the transaction, making it when they have none.

    Two requests at once would else both find room for one, or take one number.
    """
    locked = Account.objects.select_for_update(no_key=True)
    try:
        return locked.get(user=owner)
    except Account.DoesNotExist:
        Account.objects.get_or_create(user=owner)
        return locked.get(user=owner)
