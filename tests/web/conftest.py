"""What the page tests send."""

HTMX = {"HX-Request": "true"}
