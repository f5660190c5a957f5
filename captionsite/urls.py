"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from captionsite import health

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/", include("captions.api.urls")),
    path("", include("captions.web.urls")),
]
