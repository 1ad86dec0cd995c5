"""How much is trained in a given time: on a machine whose steps take what the test says."""

import itertools
import math
import re

import pytest

from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import read_records
from incmask.base.pool import HerePool
from incmask.experiment.budget import planned
from incmask.experiment.choices import resolve
from incmask.experiment.executor import Executor
from incmask.experiment.ladder import LADDER, seconds_from
from incmask.experiment.named import AUTO_TIME, Choices
from incmask.experiment.run import run
from runs import HERE, Listener, make_data

# Networks that have learnt nothing collapse at once.
TINY = {
    "width": 0.0625,
    "batch_size": 2,
    "device": "cpu",
    "num_workers": 1,
    "precision": "float32",
    "on_collapse": "ignore",
}


def plan(data, out, time, *, pixels_a_second, settings=TINY):
    """Plan for a machine that trains so many pixels a second."""
    told = Listener()
    chosen = resolve(data, Choices(time=time, settings=dict(settings)))

    def clock(job, pool):
        _, height, width, _ = job_shape(job)
        return chosen.settings.batch_size * height * width / pixels_a_second

    with HerePool(1) as pool:
        return planned(chosen, out, pool=pool, clock=clock, progress=told), told.lines


def job_shape(job):
    from incmask.base.npy_rows import Rows

    return Rows(job.objective.training.sources[0].images).shape


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), "binary")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    from PIL import Image

    root = tmp_path_factory.mktemp("large")
    for part, num in (("labelled", 3), ("unlabelled", 2), ("val", 2)):
        for index in range(num):
            for kind in ("images", "masks") if part != "unlabelled" else ("images",):
                folder = root / part / kind
                folder.mkdir(parents=True, exist_ok=True)
                image = Image.new("L", (400, 200), 0 if kind == "masks" else 10 * index + len(part))
                image.paste(1 if kind == "masks" else 200, (50, 50, 150, 120))
                image.save(folder / f"{part}{index}.png")
    return root


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("1.5H", 5400), (" 2 d ", 172800)])
def test_times_are_read(text, seconds):
    assert seconds_from(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-5m", "0m", "1:30", "20 minutes", "nanm", "1e3s"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(IncmaskError, match=r"time: .*20m"):
        seconds_from(text)


def test_no_number_of_the_ladder_falls():
    for lower, higher in itertools.pairwise(LADDER):
        numbers = [(each.side_px, each.num_models, each.num_generations, each.num_steps) for each in (lower, higher)]
        assert all(a <= b for a, b in zip(*numbers, strict=True))
        assert numbers[0] != numbers[1]


@pytest.mark.slow
def test_a_faster_machine_or_more_time_never_trains_less(large, tmp_path):
    sizes = []
    for time, speed in (("10m", 2e5), ("20m", 2e5), ("20m", 1e6), ("2h", 1e6), ("2d", 1e7)):
        made, lines = plan(large, tmp_path / "run", time, pixels_a_second=speed)
        settings = made.settings
        sizes.append((math.prod(made.size), settings.num_base, settings.num_generations, settings.epochs * 1000))
        assert lines[0].startswith(f"plan for {time}: ")
        assert f"{made.size[0]}×{made.size[1]}" in lines[0]
        # Its shape stays, in the networks' steps.
        assert made.size[1] == pytest.approx(2 * made.size[0], abs=16)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2


def test_the_plan_takes_the_time_it_says(large, tmp_path):
    """Counted by hand: two base models and two generations of two, and what is looked at."""
    speed = 2e5
    made, lines = plan(large, tmp_path / "run", "10m", pixels_a_second=speed)
    settings = made.settings
    # Two go on without unlabelled images, for as long as students.
    num_trainings = settings.num_base + settings.num_generations * (settings.num_students + 2)
    steps = num_trainings * settings.epochs * settings.steps_per_epoch * 1.1
    looks = settings.num_members * (1 + settings.num_generations) * 2 / 3 / settings.batch_size
    seconds = (steps + looks) * settings.batch_size * math.prod(made.size) / speed / 0.8
    assert seconds <= 600
    assert lines[1] == f"it takes about {round(seconds / 60)} minutes on 1 worker"
    assert lines[2].startswith('time="')
    assert int(re.match(r'time="(\d+)m" ', lines[2])[1]) >= 10


def test_what_was_given_stays(large, tmp_path):
    made, _ = plan(
        large, tmp_path / "run", "1h", pixels_a_second=1e6, settings=TINY | {"size": [32, 48], "num_base": 3}
    )
    assert made.size == (32, 48)
    assert made.settings.num_base == 3
    assert made.settings.epochs == 10


def test_too_little_time_is_refused_with_what_would_do(large, tmp_path):
    with pytest.raises(IncmaskError, match=r"the least that can be trained takes about .* 1m were given; use time="):
        plan(large, tmp_path / "run", "1m", pixels_a_second=1e4)


def test_a_time_stands_where_nothing_else_says_how_much(data):
    assert resolve(data, Choices(time=AUTO_TIME)).names["time"] == "20m"
    assert resolve(data, Choices(time="2h", settings={"epochs": 3})).names["time"] == "2h"
    for choices in (
        Choices(),
        Choices(time=AUTO_TIME, effort="quick"),
        Choices(time=AUTO_TIME, preset="paper"),
        Choices(time=AUTO_TIME, settings={"epochs": 3}),
    ):
        assert "time" not in resolve(data, choices).names
    for refused in (Choices(time="2h", effort="quick"), Choices(time="2h", preset="paper")):
        with pytest.raises(IncmaskError, match="say how much is trained, too"):
            resolve(data, refused)


def test_incmask_toml_may_give_it(data, tmp_path):
    folder = make_data(tmp_path / "data", "binary")
    (folder / "incmask.toml").write_text('time = "45m"\n')
    assert resolve(folder, Choices(time=AUTO_TIME)).names["time"] == "45m"
    assert resolve(folder, Choices(time="5m")).names["time"] == "5m"


def run_for(data, out, time, told=None):
    settings = TINY | {"size": [32, 32], "epochs": 1, "steps_per_epoch": 2, "num_base": 2, "num_students": 2}
    # Each training takes some 30 seconds, with this clock.
    executor = Executor(HerePool, lambda job, pool: 15.0)
    return run(data, out, choices=Choices(time=time, settings=settings), executor=executor, progress=told)


@pytest.mark.slow
def test_a_run_goes_on_with_its_plan_and_with_more_time_trains_further(data, tmp_path):
    """What was trained stays to the byte; what follows the last generation is made anew."""
    out = tmp_path / "run"
    first = run_for(data, out, "6m")
    before = {path: path.read_bytes() for path in out.rglob("gen-*/students/*/*") if path.is_file()}
    num_before = len(first.stages) - 1
    assert read_records(out).run["time"] == "6m"

    told = Listener()
    again = run_for(data, out, "6m", told)
    assert len(again.stages) == len(first.stages)
    assert any(line.startswith("goes on with its plan for 6m") for line in told.lines)
    assert (out / "scores.csv").read_text().count("ensemble") == 2 * len(first.all_stages)

    longer = run_for(data, out, "9m", told)
    assert len(longer.stages) - 1 > num_before
    assert read_records(out).run["time"] == "9m"
    assert {path: path.read_bytes() for path in before} == before
    assert (out / "scores.csv").read_text().count("ensemble") == 2 * len(longer.all_stages)

    # The same as if it had been given that time at once.
    at_once = run_for(data, tmp_path / "at once", "9m")
    assert len(at_once.stages) <= len(longer.stages)
    assert longer.trained.control.students[0].num_steps > first.trained.control.students[0].num_steps
    for stage in at_once.stages:
        for student in stage.students:
            there = out / student.model.relative_to(tmp_path / "at once")
            assert there.read_bytes() == student.model.read_bytes()


@pytest.mark.slow
def test_less_time_than_it_was_begun_with_changes_nothing(data, tmp_path):
    out = tmp_path / "run"
    first = run_for(data, out, "6m")
    again = run_for(data, out, "3m")
    assert len(again.stages) == len(first.stages)
    assert read_records(out).run["time"] == "6m"


def test_without_a_time_nothing_is_planned(data, tmp_path):
    chosen = resolve(data, Choices(settings=dict(TINY)))
    with HERE.open_pool(1) as pool:
        made = planned(chosen, tmp_path / "run", pool=pool, clock=HERE.seconds_per_step, progress=Listener())
    assert made is chosen


@pytest.mark.slow
def test_tiles_are_counted_and_keep_a_size_that_shows_something(large, tmp_path):
    made, _ = plan(large, tmp_path / "run", "5m", pixels_a_second=1e6, settings=TINY | {"fit": "tile"})
    assert made.size[1] >= 128
