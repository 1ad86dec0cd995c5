"""The pictures of the documentation: drawn by the code that is there, all of them used, none missing.

The gallery's trained pictures are not made again here: that takes minutes, and rounding differs between processors.
"""

import base64
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="drawings need matplotlib: pip install 'incmask[report]'")

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

IMAGE = re.compile(r'data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)"')
# Names that matplotlib derives from contents.
HASH = re.compile(r"\b(?:image|[a-z])[0-9a-f]{10}\b")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")

# Of a position in a drawing, a hundredth of a pixel: processors round the last digits differently.
MOST_SHIFT = 0.01
# Of the pixels in a panel; and of a grey level.
MOST_PIXELS_OFF, MOST_LEVELS_OFF = 0.005, 2


@dataclass(frozen=True)
class Parts:
    """An SVG taken apart: its text, its numbers in order, its pixels."""

    text: str
    numbers: list[float]
    pixels: list[np.ndarray]


def take_apart(svg: str) -> Parts:
    pixels = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")) for content in IMAGE.findall(svg)
    ]
    names: dict[str, str] = {}
    svg = HASH.sub(lambda found: names.setdefault(found[0], f"name-{'i' * len(names)}"), IMAGE.sub('pixels"', svg))
    return Parts(NUMBER.sub("0", svg), [float(number) for number in NUMBER.findall(svg)], pixels)


def differences(drawn: str, kept: str) -> Iterator[str]:
    """Tell in which respects two drawings differ."""
    one, other = take_apart(drawn), take_apart(kept)
    if one.text != other.text:
        yield "elements, styles or words"
    elif not np.allclose(one.numbers, other.numbers, rtol=0, atol=MOST_SHIFT):
        yield "numbers"
    if [each.shape for each in one.pixels] != [each.shape for each in other.pixels]:
        yield "sizes of pixels"
        return
    for mine, theirs in zip(one.pixels, other.pixels, strict=True):
        off = np.abs(mine.astype(int) - theirs).max(-1) > MOST_LEVELS_OFF
        if off.mean() > MOST_PIXELS_OFF:
            yield f"{off.mean():.1%} of the pixels"


@pytest.fixture(scope="module")
def draw() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "docs"))
    import draw

    yield draw
    sys.path.remove(str(ROOT / "docs"))
    for name in [name for name in sys.modules if name == "draw" or name.partition(".")[0] == "drawing"]:
        del sys.modules[name]


def test_drawings_are_those_that_the_code_makes(draw, tmp_path):
    made = draw.draw(tmp_path)

    assert len(made) == 7
    for path in made:
        found = list(differences(path.read_text(), (PICTURES / path.name).read_text()))
        assert not found, f"{path.name}: other {', '.join(found)}; run: python docs/draw.py"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("agreed label", "agreed labels", "elements, styles or words"),
        ('width="480"', 'width="481"', "numbers"),
        ("stroke: #767676", "stroke: #767677", "numbers"),
    ],
)
def test_the_comparison_sees_a_change(old, new, told):
    kept = (PICTURES / "one-image.svg").read_text()
    assert old in kept

    assert list(differences(kept.replace(old, new), kept)) == [told]


def test_the_comparison_sees_other_pixels(draw):
    from drawing.example import example

    shown = example()
    kept, other = (_svg_of(image) for image in (shown.image, shown.blocked_image))

    assert not list(differences(kept, kept))
    assert len(list(differences(other, kept))) == 1


def _svg_of(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, "PNG")
    return f'<image href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/>'


def test_the_example_is_blocked_where_its_members_differ(draw):
    from drawing.example import example

    shown = example()
    one, other = shown.members.astype(bool)

    assert 0.02 < (one != other).mean() < 0.2
    assert (shown.blocked_image[..., 0] == np.where(one == other, shown.image[..., 0], 0)).all()
    assert (shown.blocked_label == (one & other)).all()


def test_the_grids_mark_the_disputed_pixels():
    texts = [node.text for node in _svg("votes.svg").iter("{http://www.w3.org/2000/svg}text")]

    # Counted by hand, with two and with three members: binary, multilabel, multiclass.
    assert texts.count("×") == (3 + 5) + (3 + 6) + (3 + 4)


def test_the_copies_go_from_one_to_five(draw):
    texts = [node.text for node in _svg("copies.svg").iter("{http://www.w3.org/2000/svg}text")]

    assert [text for text in texts if text in {"0", "1", "2", "3", "4", "5", "6"}] == ["1", "2", "3", "4", "5"]


def test_every_picture_on_a_page_is_there_and_is_described():
    for page, alt, target in _named():
        assert (page.parent / target).is_file(), f"{page.name} shows {target}, which is not there"
        assert len(alt.split()) > 3, f"{page.name}: say what {target} shows"


def test_every_picture_is_on_a_page():
    shown = {(page.parent / target).resolve() for page, _, target in _named()}
    # Those of the report page are made elsewhere.
    kept = {path.resolve() for path in PICTURES.iterdir() if not path.name.startswith("report-")}

    assert kept <= shown


def test_pictures_are_small_and_need_no_other_file():
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) <= 2 * 2**20
    for path in PICTURES.glob("*.svg"):
        text = path.read_text()
        assert "currentColor" not in text, f"{path.name} would be black on black on a dark page"
        assert not re.search(r'href="(?!#|data:)', text), path.name
        assert _svg(path.name).get("aria-label"), path.name


def _named() -> list[tuple[Path, str, str]]:
    """Pages with the alternative text and the target of each picture on them."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [(page, alt, target) for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", text)]
    return [each for each in found if not each[2].startswith("http")]


def _svg(name: str) -> ElementTree.Element:
    return ElementTree.parse(PICTURES / name).getroot()
