"""Whether the kernels train as the layers do: five seeds, the same batches, in three ways.

``kernels``   bfloat16, in kernels of our own, recorded; left out where there are none.
``layers``    bfloat16, layer by layer.
``float32``   float32, layer by layer.

Tells the mean loss of the last steps and the validation score of each seed.
"""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.gpu.bench import Bench, Results
from benchmarks.gpu.jobs import make_jobs
from incmask.training.on_gpu.batches import on_device
from incmask.training.together.quick import has_kernels
from incmask.training.trainer import GroupTrainer

_LAST = 20
"""Steps whose losses are averaged."""


def measure(bench: Bench, _: Results) -> Results:
    """Train in each way at the first width."""
    results: Results = {}
    print(f"{'':<10}{'mean loss':>10}{'mean score':>12}  scores")
    for name, precision in (("kernels", "bfloat16"), ("layers", "bfloat16"), ("float32", "float32")):
        if name == "kernels" and not has_kernels(bench.device, precision):
            continue
        losses, scores = _train(bench, precision, layer_by_layer=name != "kernels")
        results[name] = {"losses": losses, "scores": scores}
        each = " ".join(f"{score:.4f}" for score in scores)
        print(f"{name:<10}{np.mean(losses):>10.4f}{np.mean(scores):>12.4f}  {each}")
    return results


def _train(bench: Bench, precision: str, *, layer_by_layer: bool) -> tuple[list[float], list[float]]:
    settings = bench.settings.model_copy(update={"precision": precision})
    jobs = make_jobs(
        replace(bench, settings=settings), "base", width=bench.sizes.widths[0], num=bench.sizes.num_students
    )
    jobs = [on_device(job) for job in jobs]
    if layer_by_layer:
        with patch("incmask.training.trainer.quick", lambda group, *_, **__: group.network):
            trainer = GroupTrainer(jobs, bench.device)
    else:
        trainer = GroupTrainer(jobs, bench.device)
    losses = torch.stack([trainer.step(step) for step in range(bench.sizes.equal_steps)])
    scores = [
        lessons.validate(network).score for lessons, network in zip(trainer.lessons, trainer.averaged, strict=True)
    ]
    return losses[-_LAST:].mean(0).tolist(), scores
