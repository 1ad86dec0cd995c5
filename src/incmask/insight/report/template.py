"""The pages' templates: HTML in which every text is escaped."""

import base64
import re
from typing import TYPE_CHECKING

from incmask.base.errors import fail

if TYPE_CHECKING:
    from jinja2 import Environment

_CODE = re.compile(r"`([^`]+)`")


def templates() -> "Environment":
    """Give what loads and renders the templates beside this file.

    Filters of their own: ``base64`` for pictures, ``code`` for texts with code between backticks.

    Raises:
        IncmaskError: jinja2 is not installed.
    """
    try:
        import jinja2
        from markupsafe import Markup, escape
    except ModuleNotFoundError as error:
        raise fail("the report", "jinja2 is not installed", "pip install 'incmask[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("incmask.insight.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    # What stands between the backticks is escaped already.
    environment.filters["code"] = lambda text: Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))
    return environment
