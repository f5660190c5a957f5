"""A Django site whose one view saves a file as Django does by itself: what `benchmarks.uploads` compares with."""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.files.storage import FileSystemStorage
from django.http import HttpRequest, JsonResponse
from django.urls import re_path

settings.configure(
    SECRET_KEY="nothing-is-signed-here",  # nothing is signed here
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup(set_prefix=False)
storage = FileSystemStorage(os.environ["PLAIN_UPLOADS"])


def save(request: HttpRequest) -> JsonResponse:
    """Keep the file that came, if one did."""
    file = request.FILES.get("file")
    if file is None:
        return JsonResponse({})
    return JsonResponse({"name": storage.save(file.name or "file", file)}, status=201)


urlpatterns = [re_path(r"", save)]
application = get_asgi_application()
