"""Milliseconds an image of an exported model beside ``incmask``'s own prediction, on the same images.

    python -m benchmarks.onnx_speed RUN IMAGES [-o OUT.json] [--batch 8] [--threads 2] [--rounds 5]

All compute in float32 on the CPU with the same number of threads; images are read and brought to one size beforehand.
The ways take turns, so that all see the same machine, and the medians over the rounds count.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from incmask.base.progress import Silent
from incmask.data.images.readers import read_network_image
from incmask.data.images.tiles import scale_image
from incmask.exchange.models.model import export_model
from incmask.exchange.models.pipeline import INPUT, pipeline_of
from incmask.prediction.ensemble import Ensemble
from incmask.prediction.listing import find_images


@dataclass(frozen=True)
class Speed:
    """One way to predict.

    Attributes:
        way: its name.
        milliseconds: an image, median over the rounds.
        differing_label_fraction: share of pixels whose label differs from ``incmask``'s, 0 to 1.
    """

    way: str
    milliseconds: float
    differing_label_fraction: float


def main() -> None:
    """Measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    for name, value in (("batch", 8), ("threads", 2), ("rounds", 5), ("num-images", 32)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    loaded = Ensemble.load(given.run, device="cpu")
    about = replace(loaded.about, precision="float32")
    ensemble = Ensemble(loaded.networks, about, device="cpu")
    images = read(list(find_images([given.images]).values())[: given.num_images], ensemble)
    ways = make_ways(given.run, ensemble, threads=given.threads, batch=given.batch)
    speeds = measure(ways, images, rounds=given.rounds)
    print(f"{len(images)} images of {'×'.join(map(str, images.shape[1:]))}, {given.threads} threads")
    for speed in speeds:
        print(f"{speed.way:<28}{speed.milliseconds:>9.2f} ms {speed.differing_label_fraction:>9.3%} of labels differ")
    if given.out:
        packages = {name: version(name) for name in ("incmask", "torch", "onnxruntime")}
        found = {
            "images": images.shape,
            "threads": given.threads,
            "batch": given.batch,
            "rounds": given.rounds,
            "machine": platform.processor() or platform.machine(),
            "packages": packages,
            "speeds": [asdict(speed) for speed in speeds],
        }
        given.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


def read(files: Sequence[Path], ensemble: Ensemble) -> np.ndarray:
    """Read images at the size of the first: uint8, (N, H, W, C)."""
    about = ensemble.about
    images = [read_network_image(file, channels=about.channels, intensity=about.intensity) for file in files]
    return np.stack([scale_image(image, images[0].shape[:2]) for image in images])


def make_ways(
    run: Path, ensemble: Ensemble, *, threads: int, batch: int
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Ways to get the labels of images, ``incmask``'s own first."""
    pipeline = pipeline_of(ensemble)
    with tempfile.TemporaryDirectory() as folder:
        written = export_model(run, Path(folder) / "model.onnx", target="onnx", progress=Silent())
        content = written.path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    @torch.inference_mode()
    def by_torch(images: np.ndarray) -> np.ndarray:
        return pipeline(torch.from_numpy(images))[0].numpy()

    def by_onnx(images: np.ndarray) -> np.ndarray:
        return session.run(["label"], {INPUT: images})[0]

    def by_incmask(images: np.ndarray) -> np.ndarray:
        return np.stack([each.label for each in ensemble.predict(list(images))])

    return {
        f"incmask, {batch} at a time": partial(in_batches, by_incmask, batch),
        "incmask, one at a time": partial(in_batches, by_incmask, 1),
        f"onnxruntime, {batch} at a time": partial(in_batches, by_onnx, batch),
        "onnxruntime, one at a time": partial(in_batches, by_onnx, 1),
        f"the same graph in torch, {batch}": partial(in_batches, by_torch, batch),
    }


def in_batches(label: Callable[[np.ndarray], np.ndarray], batch: int, images: np.ndarray) -> np.ndarray:
    """Label images, ``batch`` at a time."""
    return np.concatenate([label(images[first : first + batch]) for first in range(0, len(images), batch)])


def measure(ways: dict[str, Callable[[np.ndarray], np.ndarray]], images: np.ndarray, *, rounds: int) -> list[Speed]:
    """Time the ways in turn, after a round that does not count."""
    labels = {way: label(images) for way, label in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, label in ways.items():
            started = time.perf_counter()
            label(images)
            seconds[way].append(time.perf_counter() - started)
    reference = next(iter(labels.values()))
    return [
        Speed(way, 1000 * statistics.median(seconds[way]) / len(images), float(np.mean(labels[way] != reference)))
        for way in ways
    ]


if __name__ == "__main__":
    main()
