"""What every page knows: the person, the model in use, and how many drafts wait."""

from django.http import HttpRequest


def desk(request: HttpRequest) -> dict[str, object]:
    """Give the values that the page frame shows."""
    return {}
