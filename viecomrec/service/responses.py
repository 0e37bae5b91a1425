"""Answers that are JSON already."""

from typing import Any

from fastapi.responses import Response

Responses = dict[int | str, dict[str, Any]]
"""Other answers of a route, for its description."""


class JsonBytes(Response):
    media_type = "application/json"
