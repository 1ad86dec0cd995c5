"""A cluster's workers do what those of this machine do; where it is not the same there, they say so."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import light_jobs
import pytest

from incmask.base.caller import on_command_line
from incmask.base.elsewhere import Sent, seen_here, versions
from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent, ignore
from incmask.base.ray_pool import RayPool
from incmask.experiment.executor import Executor, executor_on
from incmask.experiment.named import Choices
from incmask.experiment.run import run
from incmask.insight.comparison.compare import compare
from nightly import AT_NIGHT
from runs import HERE, SETTINGS, Listener, make_data, results


@dataclass(frozen=True)
class Named:
    """A job that names files."""

    folder: Path
    others: tuple[Path, ...] = ()
    by_name: tuple[dict[str, Path], ...] = ()


def test_a_job_names_its_files_or_the_nearest_folders(tmp_path):
    (tmp_path / "there").write_text("")
    job = Named(tmp_path / "new" / "deeper", (tmp_path / "there",), ({"one": tmp_path},))
    assert seen_here(job) == (tmp_path, tmp_path / "there")
    assert seen_here(3) == ()


def test_nodes_with_other_versions_or_other_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.base.elsewhere._PATIENCE_S", 0)
    Sent(versions(), (tmp_path,), False).check()
    with pytest.raises(IncmaskError, match=r"node .*: has torch .*, and 0\.4 is here; install torch==0\.4"):
        Sent(versions() | {"torch": "0.4"}, (), False).check()
    with pytest.raises(IncmaskError, match=r"does not see .*gone; put data and run folder on storage"):
        Sent(versions(), (tmp_path / "gone",), False).check()


def test_places_are_asked_for_by_name():
    assert executor_on("local") == Executor()
    assert executor_on("ray", ray_address="auto").open_pool.keywords == {"address": "auto"}
    with pytest.raises(IncmaskError, match="unknown name 'slum'"):
        executor_on("slum")
    with on_command_line(), pytest.raises(IncmaskError, match=r"--ray-address auto: is of no use .*; add --on ray"):
        executor_on("local", ray_address="auto")


FOUND = {"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}}
"""Where workers find this file and what it imports."""


def check_equal(here, there):
    """Compare all that two runs must have alike."""
    mine, others = dict(results(here)), dict(results(there))
    assert any(name.endswith(".safetensors") for name in mine)
    assert mine.keys() == others.keys()
    assert [name for name in mine if mine[name] != others[name]] == []


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'incmask[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=FOUND,
    )
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_jobs_come_back_with_results_reports_and_our_errors_and_run_again_where_a_worker_was_lost(cluster, tmp_path):
    amounts = []
    with RayPool(2, networks=False) as pool:
        assert pool.num_workers == 2
        assert dict(pool.run(light_jobs.square, [1, 2, 3], amounts.append)) == {1: 1, 2: 4, 3: 9}
        assert sum(amounts) == 1 + 2 + 3 + 3
        with pytest.raises(IncmaskError, match=r"a\.png: is no image; remove it"):
            list(pool.run(light_jobs.refuse, ["a.png"], ignore))
        assert dict(pool.run(light_jobs.kill_once, [tmp_path / "mark"], ignore)) == {tmp_path / "mark": "done"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_on_a_cluster_is_that_of_this_machine_to_the_byte(cluster, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    on_cluster = Executor(partial(RayPool), HERE.seconds_per_step)
    for name, executor in (("here", HERE), ("there", on_cluster)):
        run(data, tmp_path / name, choices=Choices("im", settings=SETTINGS), executor=executor, progress=Silent())
    check_equal(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
@AT_NIGHT
@pytest.mark.filterwarnings("default")
def test_runs_of_a_comparison_side_by_side_are_those_of_this_machine_to_the_byte(cluster, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    on_cluster = Executor(partial(RayPool), HERE.seconds_per_step)
    for name, executor in (("here", HERE), ("there", on_cluster)):
        said = Listener()
        compare(
            data,
            tmp_path / name,
            choices=Choices(settings=SETTINGS),
            executor=executor,
            recipes=("im",),
            num_repeats=2,
            progress=said,
        )
        assert said.says("  4 of 4, im, repeat 2: generation 1: ") == (name == "there")
    # Tables tell the time that each took.
    check_equal(tmp_path / "here" / "runs", tmp_path / "there" / "runs")


@pytest.mark.slow
@AT_NIGHT
@pytest.mark.filterwarnings("default")
def test_a_run_comes_to_the_same_when_a_node_is_killed_and_another_comes(tmp_path):
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'incmask[cluster]'")
    from ray.cluster_utils import Cluster

    data = make_data(tmp_path / "data", "binary")
    run(data, tmp_path / "here", choices=Choices("im", settings=SETTINGS), executor=HERE, progress=Silent())
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    doomed = nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, runtime_env=FOUND)

    class Killer(Listener):
        """Kills the only node as soon as the generation trains, and adds another."""

        def advance(self, amount):
            super().advance(amount)
            if self.says("generation 1: ") and doomed in nodes.list_all_nodes():
                nodes.remove_node(doomed, allow_graceful=False)
                nodes.add_node(num_cpus=2)

    try:
        on_nodes = Executor(partial(RayPool), HERE.seconds_per_step)
        choices = Choices("im", settings=SETTINGS)
        run(data, tmp_path / "there", choices=choices, executor=on_nodes, progress=Killer())
        assert doomed not in nodes.list_all_nodes()
    finally:
        ray.shutdown()
        nodes.shutdown()
    check_equal(tmp_path / "here", tmp_path / "there")


COMMAND = """
import sys
from pathlib import Path
from incmask.experiment.named import Choices
from incmask.experiment.executor import executor_on
from incmask.experiment.run import run
from runs import SETTINGS

data, out, address = sys.argv[1:]
choices = Choices("im", settings=SETTINGS)
run(Path(data), Path(out), choices=choices, executor=executor_on("ray", ray_address=address))
"""


@pytest.mark.slow
@AT_NIGHT
@pytest.mark.filterwarnings("default")
def test_a_command_that_is_killed_goes_on_when_it_is_given_again(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'incmask[cluster]'")
    from ray.cluster_utils import Cluster

    data = make_data(tmp_path / "data", "binary")
    run(data, tmp_path / "here", choices=Choices("im", settings=SETTINGS), executor=HERE, progress=Silent())
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    words = [sys.executable, "-c", COMMAND, str(data), str(tmp_path / "there"), nodes.address]
    environment = os.environ | FOUND["env_vars"]
    try:
        killed = subprocess.Popen(words, env=environment)
        while not list((tmp_path / "there").glob("base/students/*/model.safetensors")):
            assert killed.poll() is None
            time.sleep(0.05)
        killed.kill()
        killed.wait()
        assert not (tmp_path / "there" / "scores.csv").exists()
        subprocess.run(words, env=environment, check=True)
    finally:
        nodes.shutdown()
    check_equal(tmp_path / "here", tmp_path / "there")
