"""How fast one GPU trains, how near that is to what the card can do, and how long a whole run of the paper takes.

    python -m benchmarks.gpu OUT [--device cuda|cpu] [--tiny] [--precision auto|float32|bfloat16]
                                 [--seconds 10] [--rounds 3] [--only training compiled busy roofline estimate
                                 equal tiles]

256×256×3, batches of 32, groups of 5 students, widths 0.5 and 1.5, made-up fields of cells, the paper's settings but
for ``--precision``. Without the GPU nothing is measured; ``--device cpu --tiny`` goes all the way on the processor.
Prints tables and writes ``OUT/gpu.json``. Each module says how it measures.

``training``  images a second of students trained as one program, and of a plain loop.
``compiled``  images a second of what the library alone can do: compiled, and grouped.
``busy``      share of the time in which the device runs a kernel, and the slowest kernels.
``roofline``  what bounds training, operations or memory, and how near training is to it.
``estimate``  minutes of IM++ on ISIC 2018 with the paper's numbers.
``equal``     losses and scores of five seeds, trained in kernels of our own and layer by layer.
``tiles``     which tiles the kernels are fastest with; only where it is asked for, since it compiles for minutes.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.gpu import busy, equal, estimate, roofline, tiles, training
from benchmarks.gpu.bench import TINY, Bench, Results, Sizes, make_data
from incmask.base.choosing import resolve_settings
from incmask.base.files import write_text
from incmask.base.local_pool import keep_freed_memory

SECTIONS: dict[str, Callable[[Bench, Results], Results]] = {
    "training": training.measure,
    "compiled": training.measure_compiled,
    "busy": busy.measure,
    "roofline": roofline.measure,
    "estimate": estimate.measure,
    "equal": equal.measure,
    "tiles": tiles.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="so small that the figures mean nothing")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="+", choices=list(SECTIONS), default=[name for name in SECTIONS if name != "tiles"]
    )
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("there is no CUDA device here, so nothing was measured; --device cpu --tiny tries everything without one")
        return
    # As in a worker.
    torch.set_num_threads(1)
    keep_freed_memory()
    sizes, device = TINY if options.tiny else Sizes(), torch.device(options.device)
    overrides = {"device": options.device, "precision": options.precision, "batch_size": sizes.batch_size}
    settings = resolve_settings(preset="paper", overrides=overrides)
    bench = Bench(options.out, sizes, device, settings, options.seconds, options.rounds)
    make_data(bench)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    results: Results = {
        "about": {"card": card, "torch": torch.__version__, "bytes_a_value": bench.bytes_a_value} | asdict(sizes)
    }
    print(f"{card}, torch {torch.__version__}, {bench.bytes_a_value} bytes a value")
    for name in options.only:
        print(f"\n## {name}")
        results[name] = SECTIONS[name](bench, results)
        write_text(options.out / "gpu.json", json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
