"""The ASGI entry point: uvicorn captionsite.asgi:application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "captionsite.settings")

application = get_asgi_application()
