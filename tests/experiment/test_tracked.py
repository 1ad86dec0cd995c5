"""What other programs are shown of a run: the numbers of its files."""

import csv
import json
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import pytest

from incmask.base.caller import on_command_line
from incmask.base.errors import IncmaskError
from incmask.base.trackers import EVENTS, Mlflow, TensorBoard
from incmask.experiment.tracked import tracked, tracker_of


class Shown:
    """Remembers what it is shown; ``broken``: refuses the next point."""

    def __init__(self, root=None, broken=False):
        self.said, self.points, self.ended, self.broken = {}, [], False, broken

    def choices(self, values):
        self.said = values

    def scalar(self, name, value, step):
        if self.broken:
            raise ConnectionError("no server")
        self.points.append((name, value, step))

    def close(self):
        self.ended = True


def test_a_tracker_sees_choices_and_every_number_once(finished_run):
    root, shown = finished_run("growing"), Shown()
    with tracked(root, lambda root: shown) as tell:
        tell({})
        num = len(shown.points)
        tell({})
    assert shown.ended
    assert len(shown.points) == num
    assert (shown.said["recipe"], shown.said["settings.epochs"]) == ("im+", 2)
    found = {(name, step): value for name, value, step in shown.points}
    assert len(found) == num
    for history in root.glob("*/students/*/history.csv"):
        stage, _, number, _ = history.relative_to(root).parts
        for row in csv.DictReader(history.read_text().splitlines()):
            for name in ("training_loss", "validation_loss", "validation_score"):
                assert found.pop((f"{name}/{stage}/{number}", int(row["step"]))) == float(row[name])
    for step, stage in enumerate(("base", "gen-1", "gen-2")):
        assert (
            found.pop(("stage_score", step))
            == json.loads((root / stage / "together.json").read_text())["validation_score"]
        )
        if step:
            rows = list(csv.DictReader((root / stage / "pseudo" / "index.csv").read_text().splitlines()))
            admitted = sum(row["admitted"] == "True" for row in rows) / len(rows)
            assert found.pop(("pseudo_labels/admitted", step)) == admitted
            disputed = sum(float(row["inconsistent_fraction"]) for row in rows) / len(rows)
            assert found.pop(("pseudo_labels/inconsistent_fraction", step)) == pytest.approx(disputed)
    assert found == {}


def test_a_tracker_that_fails_is_left_alone(finished_run, caplog):
    shown = Shown(broken=True)
    with tracked(finished_run("growing"), lambda root: shown) as tell:
        tell({})
        tell({})
    assert shown.ended
    assert caplog.messages == ["track shows no more: no server"]


def test_without_a_tracker_nothing_is_shown(tmp_path):
    assert tracker_of(None) is None
    with tracked(tmp_path, None) as tell:
        assert tell is None
    with pytest.raises(IncmaskError, match="track: unknown name 'tensor'; did you mean 'tensorboard'"):
        tracker_of("tensor")


def events(path):
    """Read what TensorBoard reads: length, checksum, content, checksum, again and again."""
    from tensorboardX.proto.event_pb2 import Event

    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event()
        event.ParseFromString(content[12 : 12 + length])
        yield from event.summary.value and [(event.step, value) for value in event.summary.value]
        content = content[16 + length :]


@pytest.mark.filterwarnings("default")
def test_tensorboard_reads_the_numbers_back(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install 'incmask[tensorboard]'")
    tracker = TensorBoard(tmp_path)
    tracker.choices({"recipe": "im"})
    tracker.scalar("validation_score/base/1", 0.25, 40)
    tracker.scalar("validation_score/base/1", 0.5, 80)
    tracker.close()
    (path,) = (tmp_path / EVENTS).iterdir()
    found = list(events(path))
    points = [(value.tag, step, value.simple_value) for step, value in found if value.HasField("simple_value")]
    assert points == [("validation_score/base/1", 40, 0.25), ("validation_score/base/1", 80, 0.5)]
    assert any(b"| recipe | im |" in value.tensor.string_val[0] for _, value in found if value.tensor.string_val)


def test_mlflow_gets_a_run_of_its_experiment(tmp_path, monkeypatch):
    calls = []

    class Client:
        def get_experiment_by_name(self, name):
            return None

        def __getattr__(self, name):
            info = SimpleNamespace(info=SimpleNamespace(run_id="7"))
            return lambda *words, **more: calls.append((name, *words, more)) or (info if name == "create_run" else "3")

    package, errors = ModuleType("mlflow"), ModuleType("mlflow.exceptions")
    package.MlflowClient, errors.MlflowException = Client, ValueError
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", errors)
    tracker = Mlflow(tmp_path / "myrun")
    tracker.choices({"data[0]": "x" * 900})
    tracker.scalar("stage_score", 0.5, 2)
    tracker.close()
    assert calls == [
        ("create_experiment", "incmask", {}),
        ("create_run", "3", {"run_name": "myrun"}),
        ("log_param", "7", "data_0_", "x" * 500, {}),
        ("log_metric", "7", "stage_score", 0.5, {"step": 2}),
        ("set_terminated", "7", {}),
    ]
    Client.get_experiment_by_name = lambda self, name: (_ for _ in ()).throw(ValueError("no host\nat all"))
    with pytest.raises(IncmaskError, match=r"cannot be reached \(no host\); set MLFLOW_TRACKING_URI"):
        Mlflow(tmp_path)


def test_runs_that_begin_side_by_side_make_one_experiment(tmp_path, monkeypatch):
    there, start = [], threading.Barrier(3)

    class Client:
        def get_experiment_by_name(self, name):
            known = SimpleNamespace(experiment_id=there[0]) if there else None
            time.sleep(0.01)
            return known

        def create_experiment(self, name):
            there.append(f"{len(there) + 1}")
            return there[-1]

        def create_run(self, experiment, run_name):
            return SimpleNamespace(info=SimpleNamespace(run_id=experiment))

    package, errors = ModuleType("mlflow"), ModuleType("mlflow.exceptions")
    package.MlflowClient, errors.MlflowException = Client, ValueError
    monkeypatch.setitem(sys.modules, "mlflow", package)
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", errors)

    def begin(number):
        start.wait(60)
        Mlflow(tmp_path / str(number))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(begin, range(3)))
    assert there == ["1"]


@pytest.mark.parametrize(("kind", "package"), [(TensorBoard, "tensorboardX"), (Mlflow, "mlflow")])
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    name = kind.__name__.lower()
    with on_command_line(), pytest.raises(IncmaskError, match=rf"--track {name}: {package} is not .*incmask\[{name}\]"):
        kind(tmp_path)
