"""Views of the REST API: permission, parsing, one service call, answer."""
