"""Make every picture of these pages: ``python docs/draw.py``; with ``--trained`` also those that need training,
and with ``--demo DEMO`` that of a finished demo.

The drawings come out the same each time. The trained pictures depend on the processor's rounding, so that they are made
anew only where somebody asks.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from drawing.canvas import write_picture
from drawing.flow import flow
from drawing.growth import copies, generations, views
from drawing.votes import grids, one_image, squares

from incmask.insight.report.picture import Drawing

PICTURES = Path(__file__).parent / "pictures"

DRAWINGS: tuple[Callable[[], Drawing], ...] = (flow, one_image, grids, squares, generations, views, copies)
"""Without any training."""


def draw(folder: Path) -> list[Path]:
    """Make the drawings; return their files."""
    return [write_picture(folder, make()) for make in DRAWINGS]


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--trained", action="store_true", help="also train models, some minutes, for the gallery")
    parser.add_argument("--demo", type=Path, help="folder of incmask demo, for the picture of what it came to")
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures")
    parser.add_argument("--runs", type=Path, help="folder that keeps what is trained  [default: none]")
    chosen = parser.parse_args()
    for path in draw(chosen.out):
        print(path)
    if chosen.demo:
        from drawing.demo import draw_demo

        print(draw_demo(chosen.out, demo=chosen.demo))
    if chosen.trained:
        from drawing.gallery import draw_gallery

        with tempfile.TemporaryDirectory() as scratch:
            for path in draw_gallery(chosen.out, runs=chosen.runs or Path(scratch)):
                print(path)


if __name__ == "__main__":
    main()
