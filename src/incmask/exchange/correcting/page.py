"""The page: its parts put together, with what it has to know and a policy that lets nothing else in."""

import base64
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from incmask.exchange.correcting.desk import Desk
from incmask.method.labels import labels_of

_SCRIPTS = ("mask.js", "view.js", "paint.js", "page.js")


def page(desk: Desk) -> bytes:
    """Make the page of a desk as it is now."""
    parts = {"{{style}}": _part("page.css"), "{{script}}": _script(), "{{facts}}": _as_text(_facts(desk))}
    text = _part("page.html")
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text.encode()


@cache
def policy() -> str:
    """Give the Content-Security-Policy: this script and this style alone, and nothing from elsewhere."""
    script, style = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (_script(), _part("page.css"))
    )
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@cache
def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    return "".join(map(_part, _SCRIPTS))


def _facts(desk: Desk) -> dict[str, Any]:
    """What the page has to know: the images, the classes and how labels lie in bytes."""
    scheme, planes = desk.scheme, desk.planes
    return {
        "run": desk.run.name,
        "ground": labels_of(scheme.task).ground_name([info.name for info in scheme.classes]),
        "classes": [asdict(brush) for brush in planes.brushes],
        "planes": planes.num,
        "unsure": {"name": planes.unsure.name, "colour": planes.unsure.colour},
        "images": [
            {
                "name": image.name,
                "height": image.size[0],
                "width": image.size[1],
                "reason": image.reason,
                "saved": desk.is_saved(index),
            }
            for index, image in enumerate(desk.images)
        ],
    }


def _as_text(facts: dict[str, Any]) -> str:
    """Write JSON in which nothing is markup."""
    text = json.dumps(facts)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
