"""A page as HTML in which every text is escaped and no script runs but its own."""

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from incmask.base.errors import fail
from incmask.insight.report.page import Page

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_PAGE_BYTES = 20 * 2**20
"""Pages are cut short where they would be larger."""

_CODE = re.compile(r"`([^`]+)`")


def render(page: Page) -> bytes:
    """Write a page, of at most ``MAX_PAGE_BYTES`` where its limits allow.

    Raises:
        IncmaskError: jinja2 is not installed.
    """
    environment = _environment()
    script = environment.get_template("page.js.j2").render() if page.is_live else ""
    # The browser runs this script and no other, whatever a name may hold.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment.get_template("page.html.j2")
    for max_rows, max_pictures in page.limits:
        html: str = template.render(
            page=page, script=script, script_hash=digest, max_rows=max_rows, max_pictures=max_pictures
        )
        content = html.encode()
        if len(content) <= MAX_PAGE_BYTES:
            break
    return content


def _environment() -> "Environment":
    """Tell what loads the templates, with filters for pictures, ``base64``, and for texts with `code`, ``code``."""
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
    environment.filters["code"] = lambda text: Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped first
    return environment
