"""What a run says that it takes of memory and disk, against what lies there; what there is no room for."""

import shutil
from types import SimpleNamespace

import pytest

from incmask.base.errors import IncmaskError
from incmask.experiment import needs
from incmask.experiment.choices import resolve
from incmask.experiment.executor import measured_once
from incmask.experiment.named import Choices
from incmask.experiment.needs import Needs, check_room, needs_of
from incmask.training.capacity import PROCESS_BYTES, training_bytes
from runs import PARTS, SETTINGS
from small import some_job, some_settings


def planned(run, recipe, **settings):
    return resolve(run.parent / "data", Choices(recipe=recipe, settings=SETTINGS | settings))


def bytes_of(run, pattern):
    return sum(path.stat().st_size for path in run.rglob(pattern))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "recipe", "settings"),
    [("growing", "im+", {"num_generations": 2}), ("rated", "im++", {}), ("objects", "im", {})],
)
def test_disk_is_counted_to_the_file(finished_run, monkeypatch, name, recipe, settings):
    run = finished_run(name)
    setup = planned(run, recipe, **settings).setup({}, ())
    monkeypatch.setattr(needs, "_PAGE_BYTES", 0)
    monkeypatch.setattr(needs, "_MASK_BYTES", 0)
    found = needs_of(setup, PARTS, num_workers=1, control=False).disk
    # Headers of so small files are a tenth of them.
    assert bytes_of(run, "*.npy") + bytes_of(run, "*.safetensors") == pytest.approx(found, rel=0.2)
    monkeypatch.setattr(needs, "_num_weights", lambda network: 0)
    stacks = needs_of(setup, PARTS, num_workers=1, control=False).disk
    sizes = [path.stat().st_size for path in run.rglob("*.npy") if path.name != "targets.npy"]
    assert sum(sizes) == stacks + 128 * len(sizes)


def test_memory_is_that_of_all_processes(finished_run):
    setup = planned(finished_run("growing"), "im+", num_generations=2).setup({}, ())
    each = training_bytes(setup.network(2), size=(32, 32), batch_size=2)
    found = needs_of(setup, PARTS, num_workers=3, control=False).memory
    assert found == 4 * PROCESS_BYTES + 3 * each


def test_a_run_that_the_disk_has_no_room_for_is_refused(finished_run, monkeypatch, tmp_path):
    run = finished_run("growing")
    plan = planned(run, "im+", num_generations=2)
    check_room(plan, tmp_path / "not" / "there", num_workers=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**5))
    with pytest.raises(IncmaskError, match=r"takes about \d MB of disk, 1 MB are free; make room, choose another"):
        check_room(plan, tmp_path / "not" / "there", num_workers=1)
    # What has begun goes on.
    check_room(plan, run, num_workers=1)


def test_sizes_are_told_as_people_say_them():
    assert Needs(1_234_000_000, 999_000_000).told() == "1.2 GB of memory and 999 MB of disk"


def test_steps_that_are_alike_are_timed_once(tmp_path):
    asked = []
    clock = measured_once(lambda job, pool: float(len(asked.append(job) or asked)))
    first, again = (some_job(tmp_path / name) for name in ("first", "again"))
    wider = some_job(tmp_path / "wider", settings=some_settings(width=0.25))
    larger = some_job(tmp_path / "larger", side=64)
    pool, other = SimpleNamespace(num_workers=1), SimpleNamespace(num_workers=2)
    assert [clock(job, pool) for job in (first, again, wider, larger, first)] == [1.0, 1.0, 2.0, 3.0, 1.0]
    assert clock(first, other) == 4.0
