"""Time and peak memory of predicting one image that is larger than most memories would like.

    python -m benchmarks.big_image OUT [--side 20000] [--width 0.125] [--fit tile] [--all]

Writes a tiled, deflated TIFF of side × side × 3, two untrained networks for 256×256 tiles, and predicts the image with
``incmask predict``, all pictures included with ``--all``. Prints seconds, the peak memory of all processes together,
and whether a part of the mask is the same as that of the part alone.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import tifffile
import torch
from torch import nn

from benchmarks.memory import watch
from incmask.data.dataset import ClassInfo
from incmask.data.images.big_images import TiffRows
from incmask.nets.forward import image_tensor
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.model_folder import save_ensemble

TILE_PX, NETWORK_PX = 512, 256


def main() -> None:
    """Make the image and the model, predict, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--fit", choices=("tile", "resize"), default="tile")
    parser.add_argument("--all", action="store_true", help="also probabilities, overlay and instances")
    options = parser.parse_args()
    image = options.out / f"{options.side}.tif"
    write_image(image, options.side)
    some = top_rows(image, NETWORK_PX)[:, :NETWORK_PX]
    model = write_model(options.out, some, width=options.width, fit=options.fit)
    more = ["--probabilities", "--overlay", "--instances"] if options.all else []
    predicted = options.out / "predicted"
    watched = watch(["predict", str(model), str(image), "-o", str(predicted), "--device", "cpu", "--quiet", *more])
    mask = next(predicted.glob("masks/*"))
    facts = asdict(watched) | {
        "side": options.side,
        "image_mib": image.stat().st_size >> 20,
        "mask": mask.name,
        "mask_mib": mask.stat().st_size >> 20,
        "same": same_as_alone(image, mask, model) if options.fit == "tile" else None,
    }
    (options.out / "big_image.json").write_text(json.dumps(facts, indent=1))
    print(json.dumps(facts, indent=1))


def write_image(path: Path, side: int) -> None:
    """Write the image tile by tile: coarse blobs under fine noise, others in every tile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    num = -(-side // TILE_PX)

    def tiles() -> Iterator[np.ndarray]:
        generator = np.random.default_rng(0)
        noise = generator.integers(0, 8, (TILE_PX, TILE_PX, 3), dtype=np.uint8)
        for _ in range(num * num):
            coarse = generator.integers(0, 248, (16, 16, 3), dtype=np.uint8)
            yield cv2.resize(coarse, (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR) + noise

    tifffile.imwrite(
        path,
        tiles(),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        photometric="rgb",
        compression="zlib",
        compressionargs={"level": 1},
        metadata=None,
    )


def write_model(folder: Path, image: np.ndarray, *, width: float, fit: str) -> Path:
    """Write two untrained networks as a model, adjusted to an image so that their masks are neither empty nor full."""
    spec = NetworkSpec(in_channels=3, out_channels=1, width=width)
    members = [folder / f"member-{seed}.safetensors" for seed in (1, 2)]
    for seed, path in enumerate(members):
        network = spec.build(seed=seed).train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            logits = network(image_tensor(image[None]))
            network.head.bias -= logits.median()
        save_model(path, network.state_dict(), spec)
    size = (NETWORK_PX, NETWORK_PX)
    about = About("binary", (ClassInfo("cell", (255, 0, 0), 255),), 3, None, size, fit, "float32")
    save_ensemble(folder / "model", members, about, scores={})
    return folder / "model"


def same_as_alone(image: Path, mask: Path, model: Path) -> float:
    """Share of pixels that are the same in the mask and where the image's top rows are predicted in memory."""
    ensemble = Ensemble.load(model, device="cpu")
    # Tiles of the top two rows lie at the same places; only what the third one touches differs.
    rows = 2 * NETWORK_PX - NETWORK_PX // 4
    (alone,) = ensemble.predict([top_rows(image, rows)])
    compared = NETWORK_PX // 2
    if mask.suffix == ".png":
        found = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)[:compared]
    else:
        found = top_rows(mask, compared)[..., 0]
    same = found == alone.label[:compared] * 255
    return float(same.mean())


def top_rows(path: Path, num_rows: int) -> np.ndarray:
    """Read the first rows of a TIFF alone: (rows, W, C)."""
    with closing(TiffRows(path)) as rows:
        return rows.read(0, num_rows)


if __name__ == "__main__":
    main()
