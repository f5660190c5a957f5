"""How views describe themselves in the OpenAPI document."""

from drf_standardized_errors.openapi import AutoSchema


class DeskSchema(AutoSchema):
    """Adds the one error shape, with its request id, to every operation."""
