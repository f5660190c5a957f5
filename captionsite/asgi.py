"""The ASGI entry point: uvicorn captionsite.asgi:application."""

import os
import tempfile

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")

_application = get_asgi_application()  # it sets Django up, which the imports below need

from django.conf import settings  # noqa: E402  # see above

from captions import decoder  # noqa: E402  # see above
from captions.api.bodies import BodyLimit  # noqa: E402  # see above

decoder.start()  # warm before the first upload comes
# Django spools bodies to Python's folder for temporary files, and on many machines /tmp is memory.
tempfile.tempdir = settings.FILE_UPLOAD_TEMP_DIR
application = BodyLimit(_application, picture_bytes=settings.MAX_UPLOAD_BYTES)
