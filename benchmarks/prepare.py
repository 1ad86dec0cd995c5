"""``incmask prepare``, ``check`` and a short ``run`` on made-up downloads with the true number of files.

    python -m benchmarks.prepare OUT [--sets isic2018 hela suim cityscapes]

The archives have each owner's layout, file names and numbers of files; the images are drawn and small, except HeLa's
frames, whose size decides the number of crops. Printed, and written to ``OUT/results.json``: seconds and peak memory
(sum over all processes of what is theirs, sampled twice a second) of each command.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.memory import watch

SHORT_RUN = (
    *("--recipe", "im", "--set", "num_base=2", "--set", "num_students=2", "--set", "num_kept=2"),
    *("--set", "num_generations=1", "--set", "epochs=1", "--set", "steps_per_epoch=4", "--set", "batch_size=4"),
    *("--set", "width=0.125"),
)


@dataclass(frozen=True)
class Measured:
    """One command: what it took."""

    data_set: str
    command: str
    seconds: float
    peak_mib: int


def main() -> None:
    """Make the downloads that are not there, and measure."""
    parser = argparse.ArgumentParser(description="Measure the preparation of data sets.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(DOWNLOADS), default=list(DOWNLOADS))
    options = parser.parse_args()
    results: list[Measured] = []
    for name in options.sets:
        download, data, run = (options.out / name / part for part in ("download", "data", "run"))
        if not (download / "complete").exists():
            print(f"drawing {name}", file=sys.stderr)
            download.mkdir(parents=True, exist_ok=True)
            DOWNLOADS[name](download)
            (download / "complete").touch()
        commands = {
            "prepare": ["prepare", name, str(download), str(data), "--quiet"],
            "prepare again": ["prepare", name, str(download), str(data), "--quiet"],
            "check": ["check", str(data)],
            "run": ["run", str(data), "-o", str(run), "--quiet", *SHORT_RUN],
        }
        for what, command in commands.items():
            watched = watch(command)
            results.append(Measured(name, what, watched.seconds, watched.peak_mib))
            print(results[-1], file=sys.stderr, flush=True)
    text = json.dumps([asdict(each) for each in results], indent=1)
    (options.out / "results.json").write_text(text, encoding="utf-8")
    print("| data set | command | seconds | peak MiB |\n|---|---|---|---|")
    for each in results:
        print(f"| {each.data_set} | {each.command} | {each.seconds:.0f} | {each.peak_mib} |")


def _archive(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)


def _encoded(values: np.ndarray, ending: str) -> bytes:
    # OpenCV's order of channels is the other way round.
    return cv2.imencode(ending, values[..., ::-1] if values.ndim == 3 else values)[1].tobytes()


def _blob(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Ids: a disc of a random class in each of a few places."""
    generator = np.random.default_rng(seed)
    label = np.zeros(size, np.uint8)
    for _ in range(4):
        y, x = (int(generator.integers(side)) for side in size)
        cv2.circle(label, (x, y), int(generator.integers(4, max(5, min(size) // 3))), int(generator.integers(1, 8)), -1)
    return label


def _picture(label: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 40, (*label.shape, 3))
    return (label[..., None] * np.array([25, 20, 30]) + noise).astype(np.uint8)


def _isic2018(folder: Path) -> None:
    parts = (("Training", 2594), ("Validation", 100), ("Test", 1000))
    first = 0
    for part, num in parts:
        images, masks = f"ISIC2018_Task1-2_{part}_Input", f"ISIC2018_Task1_{part}_GroundTruth"
        numbers = range(first, first + num)
        size = (96, 128)
        _archive(
            folder / f"{images}.zip",
            (
                (f"{images}/ISIC_{number:07d}.jpg", _encoded(_picture(_blob(number, size), number), ".jpg"))
                for number in numbers
            ),
        )
        _archive(
            folder / f"{masks}.zip",
            (
                (
                    f"{masks}/ISIC_{number:07d}_segmentation.png",
                    _encoded((_blob(number, size) > 0).astype(np.uint8) * 255, ".png"),
                )
                for number in numbers
            ),
        )
        first += num


def _hela(folder: Path) -> None:
    size = (1040, 1388)

    def frames() -> Iterator[tuple[str, bytes]]:
        for part, numbers in (("train_full", range(17)), ("val", range(17, 20)), ("test", range(20, 23))):
            for number in numbers:
                generator = np.random.default_rng(number)
                layers = {name: np.zeros(size, np.uint8) for name in ("alive", "dead", "position")}
                for _ in range(300):
                    y, x = (int(generator.integers(20, side - 20)) for side in size)
                    kind = "dead" if generator.random() < 0.3 else "alive"
                    cv2.circle(layers[kind], (x, y), 14, 255, -1)
                    layers["position"][y, x] = 255
                noise = generator.integers(90, 130, size)
                image = (noise + layers["alive"] // 4 + layers["dead"] // 3).astype(np.uint8)
                for name, values in {"brightfield": image, **layers}.items():
                    yield f"{part}/{name}/frame_{number:02d}.png", _encoded(values, ".png")

    _archive(folder / "hela.zip", frames())


def _suim(folder: Path) -> None:
    bits = np.array([[id_ >> 2 & 1, id_ >> 1 & 1, id_ & 1] for id_ in range(8)], np.uint8) * 255

    def files(part: str, num: int) -> Iterator[tuple[str, bytes]]:
        for number in range(num):
            label = _blob(number, (240, 320))
            yield f"{part}/images/d_r_{number}_.jpg", _encoded(_picture(label, number), ".jpg")
            yield f"{part}/masks/d_r_{number}_.bmp", _encoded(bits[label], ".bmp")

    _archive(
        folder / "SUIM.zip", (each for part, num in (("train_val", 1525), ("TEST", 110)) for each in files(part, num))
    )


def _cityscapes(folder: Path) -> None:
    def names() -> Iterator[tuple[str, int]]:
        for part, num in (("train", 2975), ("val", 500)):
            for number in range(num):
                city = f"city{number % 18:02d}"
                yield f"{part}/{city}/{city}_{number:06d}_000019", number

    _archive(
        folder / "leftImg8bit_trainvaltest.zip",
        (
            (f"leftImg8bit/{name}_leftImg8bit.png", _encoded(_picture(_blob(number, (64, 128)), number), ".png"))
            for name, number in names()
        ),
    )
    _archive(
        folder / "gtFine_trainvaltest.zip",
        (
            (f"gtFine/{name}_gtFine_labelIds.png", _encoded(_blob(number, (64, 128)) * np.uint8(4), ".png"))
            for name, number in names()
        ),
    )


DOWNLOADS: dict[str, Callable[[Path], None]] = {
    "isic2018": _isic2018,
    "hela": _hela,
    "suim": _suim,
    "cityscapes": _cityscapes,
}

if __name__ == "__main__":
    main()
