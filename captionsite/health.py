"""Health answers for load balancers and the start order of containers."""

from django.http import HttpRequest, JsonResponse


async def alive(request: HttpRequest) -> JsonResponse:
    """Answer while the process serves requests at all."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when pictures can be taken and captioned."""
    return JsonResponse({"status": "ok"})
