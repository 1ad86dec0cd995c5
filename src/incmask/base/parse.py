"""JSON and TOML that anybody may have written: ``ValueError`` is all that comes of what is none."""

import json
import tomllib
from typing import Any

_TOO_DEEP = "it is nested too deeply"


def parse_json(content: str | bytes) -> Any:
    """Read a text as JSON.

    Raises:
        ValueError: it is none, or nested too deeply.

    Examples:
        >>> parse_json("[1, null]")
        [1, None]
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Read a text as TOML.

    Raises:
        ValueError: it is none, or nested too deeply.

    Examples:
        >>> parse_toml("size = [2, 3]")
        {'size': [2, 3]}
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
