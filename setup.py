"""The page of a package index is ``README.md``, whose links into the repository would lead nowhere from there."""

import re
from pathlib import Path

from setuptools import setup

_RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)")


def index_page(readme: str) -> str:
    """Name the files that relative links lead to, and leave nothing of relative pictures but what they show."""
    return _RELATIVE.sub(lambda link: link[2] if link[1] else f"{link[2]} (`{link[3]}`)", readme)


if __name__ == "__main__":
    setup(
        long_description=index_page((Path(__file__).parent / "README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
    )
