"""A run that is killed at random moments must come to the same numbers as one that is not.

``python -m benchmarks.kill --times 20`` makes a small data set, runs it once from beginning to end, and once more with
SIGKILL to the main process at random moments and the same command again after each. Then it compares the files of
both, byte for byte. Exit code 1: they differ.
"""

import argparse
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from incmask.data.synthetic import write_dataset

SETTINGS = {
    "num_base": 3,
    "num_students": 3,
    "num_generations": 2,
    "epochs": 4,
    "steps_per_epoch": 8,
    "batch_size": 4,
    "width": 0.25,
    "device": "cpu",
}
PARTS = {"num_labelled": 6, "num_unlabelled": 24, "num_val": 6, "num_test": 6}

KINDS = {
    "scores.csv": "scores.csv",
    "masks.csv": "masks.csv",
    "weights": "*.safetensors",
    "stacks and pseudo-labels": "*.npy",
    "their tables": "index.csv",
    "masks and disputed pixels": "*.png",
}
"""What must be the same; the rest holds times."""


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        number: counted from 1.
        after_s: from the start of the command, in seconds.
        num_entered: artefacts that the run had entered by then.
    """

    number: int
    after_s: float
    num_entered: int


def command(data: Path, out: Path) -> list[str]:
    """The command that is killed, and called again."""
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    return [sys.executable, "-m", "incmask", "run", str(data), "-o", str(out), "--quiet", *settings]


def run_whole(data: Path, out: Path) -> float:
    """Run from beginning to end; return the seconds that it took."""
    started = time.monotonic()
    subprocess.run(command(data, out), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def run_killed(data: Path, out: Path, *, times: int, seconds: float, seed: int) -> list[Kill]:
    """Kill runs ``times`` times in all; a run that ends before its next kill is followed by another one.

    Args:
        data: of the runs.
        out: gets a run folder for each, named by a number; all of them have ended on return.
        times: kills.
        seconds: that an undisturbed run takes.
        seed: of the moments.
    """
    generator = random.Random(seed)
    kills: list[Kill] = []
    num_runs = 1
    while len(kills) < times:
        folder = out / str(num_runs)
        # Starting takes a while, too, so that longer pauses would leave few kills to a run.
        after_s = generator.uniform(0, seconds / 2)
        process = subprocess.Popen(command(data, folder), stdout=subprocess.DEVNULL)
        try:
            if process.wait(timeout=after_s) != 0:
                raise SystemExit(f"the run ended with exit code {process.returncode} after {len(kills)} kills")
            num_runs += 1
        except subprocess.TimeoutExpired:
            # This process alone: its workers must notice by themselves.
            process.kill()
            process.wait()
            kills.append(Kill(len(kills) + 1, after_s, num_entered(folder)))
            print(f"kill {len(kills)} after {after_s:.1f} s: {kills[-1].num_entered} files entered", flush=True)
    run_whole(data, folder)
    return kills


def num_entered(out: Path) -> int:
    """Lines of the manifest."""
    manifest = out / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") if manifest.exists() else 0


def contents(out: Path) -> dict[str, bytes]:
    """Everything that must be the same, by its path."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for pattern in KINDS.values()
        for path in sorted(out.rglob(pattern))
    }


def differing(first: dict[str, bytes], second: dict[str, bytes]) -> list[str]:
    """Names of files that are not in both, or not the same."""
    return sorted(name for name in {*first, *second} if first.get(name) != second.get(name))


def main() -> None:
    """Run, kill, compare, and print a table."""
    parser = argparse.ArgumentParser(description="Kill a run at random moments and compare what comes of it.")
    parser.add_argument("--times", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=1, help="of the data and the moments")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/runs/kill"), help="folder; emptied first")
    options = parser.parse_args()
    if options.out.exists():
        shutil.rmtree(options.out)
    data, whole, killed = (options.out / name for name in ("data", "whole", "killed"))
    write_dataset(data, seed=options.seed, size=(48, 48), task="multilabel", **PARTS)
    seconds = run_whole(data, whole)
    print(f"undisturbed: {seconds:.1f} s", flush=True)
    kills = run_killed(data, killed, times=options.times, seconds=seconds, seed=options.seed)

    expected = contents(whole)
    runs = sorted(killed.iterdir())
    different = {f"{run.name}/{name}" for run in runs for name in differing(expected, contents(run))}
    print("\n| files | of a run | different |\n|---|---|---|")
    for label, pattern in KINDS.items():
        names = [name for name in expected if PurePosixPath(name).match(pattern)]
        num_different = sum(PurePosixPath(name).match(pattern) for name in different)
        print(f"| {label} | {len(names)} | {num_different} |")
    moments = [kill.num_entered for kill in kills]
    print(
        f"\n{len(kills)} kills of {len(runs)} runs, with {min(moments)} to {max(moments)} of "
        f"{num_entered(whole)} files entered"
    )
    if different:
        sys.exit("different: " + ", ".join(sorted(different)))
    print("all the same")


if __name__ == "__main__":
    main()
