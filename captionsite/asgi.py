"""The ASGI entry point: uvicorn captionsite.asgi:application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")

_application = get_asgi_application()  # it sets Django up, which the imports below need

from django.conf import settings  # noqa: E402  # see above

from captions import decoder  # noqa: E402  # see above
from captions.api.bodies import BodyLimit  # noqa: E402  # see above

decoder.start()  # warm before the first upload comes
application = BodyLimit(_application, picture_bytes=settings.MAX_UPLOAD_BYTES)
