"""Every kind of job comes to the same by way of files, which is how tasks of Slurm get them."""

import csv
import re
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import incmask
from incmask.base.described import function_name, read_described, write_described
from incmask.base.job_folder import JobFolder
from incmask.base.pool import HerePool
from incmask.experiment.executor import Executor
from incmask.method.recipes import RECIPES
from runs import HERE, draw, results, save
from small import some_setup, student_jobs


class FilePool(HerePool):
    """Does each job as it is found in a file, in this process."""

    def __init__(self, folder, num_workers=1, **options):
        super().__init__(2, **options)
        self._folder, self._networks = folder, options.get("networks", True)

    def run(self, function, jobs, report):
        root = self._folder / str(len(list(self._folder.iterdir())))
        folder = JobFolder(root)
        assert folder.write(function, jobs, networks=self._networks) == []
        for place, job in enumerate(jobs):
            folder.work(place)
            yield job, folder.result(place)


@pytest.fixture
def in_files(tmp_path):
    (tmp_path / "jobs").mkdir()
    return Executor(partial(FilePool, tmp_path / "jobs"), HERE.seconds_per_step)


def test_every_function_that_is_run_as_a_job_may_be_called_from_a_file():
    package, found = Path(incmask.__file__).parent, set()
    for path in package.rglob("*.py"):
        text = path.read_text()
        names = re.findall(r"pool\.run\((\w+),|run_ranges\([\w.]+, (\w+),", text)
        module = ".".join(("incmask", *path.relative_to(package).with_suffix("").parts))
        # A function with some arguments given is local, and holds one that is global; parts of a network never travel.
        for name in {first or second for first, second in names} - {"function", "write_chunk", "_take_part"}:
            found.add(function_name(getattr(import_module(module), name)))
    assert len(found) >= 14
    assert "incmask.training.loop:fit" in found


@pytest.mark.parametrize("recipe", ["fdt", "cl", "ie", "im++", "im-online", "fixmatch+im"])
def test_fits_of_each_kind_come_back_as_they_were(tmp_path, recipe):
    generation = 1 if RECIPES[recipe].teachers and recipe != "ie" else 0
    if RECIPES[recipe].labeller:
        generation = 0
    jobs = student_jobs(some_setup(tmp_path, recipe=recipe), tmp_path, generation=generation)
    write_described(tmp_path / "0.json", jobs)
    back = read_described(tmp_path / "0.json")
    assert repr(back) == repr(jobs)
    for mine, theirs in zip(jobs, back, strict=True):
        assert type(mine.objective) is type(theirs.objective)
        np.testing.assert_array_equal(mine.objective.training.rows, theirs.objective.training.rows)
        assert mine.objective.training.rows.dtype == theirs.objective.training.rows.dtype


def test_ranking_and_prediction_are_the_same(finished_run, tmp_path, in_files):
    run = finished_run("growing")
    images = run.parent / "data" / "test" / "images"
    for name, executor in (("here", HERE), ("files", in_files)):
        incmask.rank(run, out=tmp_path / f"{name}.csv", executor=executor)
        incmask.predict(run, images, tmp_path / name, executor=executor, device="cpu")
    # A process that has worked before gives other last digits of ranks.
    ranks = [list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines())) for name in ("here", "files")]
    for mine, theirs in zip(*ranks, strict=True):
        assert mine["name"] == theirs["name"]
        assert float(mine["score"]) == pytest.approx(float(theirs["score"]), rel=1e-4)
    here, files = (dict(results(tmp_path / name)) for name in ("here", "files"))
    assert here == files
    assert len(here) > 3


def test_preparation_is_the_same(tmp_path, in_files):
    for index in range(4):
        image, label = draw(seed=index, size=(32, 32))
        save(tmp_path / "source" / "images" / f"{index}.png", image)
        save(tmp_path / "source" / "masks" / f"{index}.png", label)
    for name, executor in (("here", HERE), ("files", in_files)):
        incmask.prepare("folder", tmp_path / "source", tmp_path / name, executor=executor)
    here, files = (dict(results(tmp_path / name)) for name in ("here", "files"))
    assert here == files
    assert len([name for name in here if name.endswith(".png")]) == 8
