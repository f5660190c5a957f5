"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from captions.api.urls import compatible
from captionsite import health

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/", include("captions.api.urls")),
    path("", include(compatible)),
    path("", include("captions.web.urls")),
]

handler400 = "captions.web.failures.bad_request"
handler403 = "captions.web.failures.forbidden"
handler404 = "captions.web.failures.not_found"
handler429 = "captions.web.failures.too_many"  # the library's own, for its limits
handler500 = "captions.web.failures.broken"
