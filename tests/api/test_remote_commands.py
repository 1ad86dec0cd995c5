"""Comparisons, searches, prepared data, exports, corrections and pages on URLs are those of folders, to the byte."""

import shutil

import pytest
from PIL import Image

import incmask
from incmask.base.errors import IncmaskError
from runs import HERE, SETTINGS, Listener, make_data, results

pytest.importorskip("fsspec")
from storages import memory, s3

COMMON = {"settings": SETTINGS, "executor": HERE}
OF_TIME = {"results.csv": b"", "runs.csv": b"", "tables.md": b""}
"""Tables of a comparison that tell seconds."""
STORAGES = [memory, pytest.param(s3, marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A data folder, and its run in a folder."""
    root = tmp_path_factory.mktemp("here")
    make_data(root / "data", "binary", truth=False)
    incmask.run(root / "data", out=root / "run", recipe="im", **COMMON)
    return root


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Go to a machine that has no copies yet; begins on the first."""

    def go(name):
        monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / name))
        monkeypatch.chdir(tmp_path)

    go("first")
    return go


def put(system, place, folder):
    """Bring a folder to a storage, as another tool does."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        system.pipe_file(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return place


def fetched(system, place, folder):
    """Bring all that a storage holds below a place into a folder, as another tool does."""
    root = system._strip_protocol(place)
    for path in system.find(place):
        below = folder / path.removeprefix(root).lstrip("/")
        below.parent.mkdir(parents=True, exist_ok=True)
        below.write_bytes(system.cat_file(path))
    return folder


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.slow
@pytest.mark.parametrize("storage", [memory, s3])
def test_a_comparison_and_what_reads_it(here, tmp_path, monkeypatch, machine, storage):
    many = {"recipes": "im", "grid": {"erode_px": [0, 3], "dilate_px": [0, 3]}, "num_repeats": 1}
    incmask.compare(here / "data", out=tmp_path / "sweep", **many, **COMMON)
    with storage(monkeypatch) as (system, bucket):
        listener = Listener(kill_at=60)
        with pytest.raises(KeyboardInterrupt):
            incmask.compare(here / "data", out=f"{bucket}/sweep", progress=listener, **many, **COMMON)
        assert system.exists(f"{bucket}/sweep")
        machine("second")
        incmask.compare(here / "data", out=f"{bucket}/sweep", **many, **COMMON)
        copy = fetched(system, f"{bucket}/sweep", tmp_path / "copy")
        assert dict(results(copy), **OF_TIME) == dict(results(tmp_path / "sweep"), **OF_TIME)
        assert {*content_of(copy)} == {*content_of(tmp_path / "sweep")}
        assert incmask.verify(copy).is_whole

        machine("third")
        told = Listener()
        best = incmask.run(here / "data", best_of=f"{bucket}/sweep", recipe="im", progress=told, report=False, **COMMON)
        assert told.says("the best of 4 settings of im by validation")
        put(system, f"{bucket}/run", best.folder)
        again = incmask.run(here / "data", reproduce=f"{bucket}/run", report=False, executor=HERE)
        assert again.folder == tmp_path / "run-reproduced"
        assert again.reproduced.is_same


@pytest.mark.slow
def test_a_search_for_settings_and_a_run_with_what_it_found(here, tmp_path, monkeypatch, machine):
    few = {name: value for name, value in SETTINGS.items() if name not in ("epochs", "steps_per_epoch", "augment")}
    common = {"recipe": "me", "num_steps": 700, "num_trials": 2, "settings": few, "executor": HERE}
    common["grid"] = {"batch_size": [2, 3]}
    local = incmask.tune(here / "data", out=tmp_path / "tune", **common)
    with memory(monkeypatch) as (system, bucket):
        found = incmask.tune(here / "data", out=f"{bucket}/tune", **common)
        assert found.config.read_bytes() == local.config.read_bytes()
        config = f"{bucket}/tune/{local.config.name}"
        assert system.cat_file(config) == local.config.read_bytes()
        machine("second")
        runs = [
            incmask.run(here / "data", out=tmp_path / name, config=given, report=False, **COMMON)
            for name, given in {"of file": local.config, "of url": config}.items()
        ]
        assert dict(results(runs[0].folder)) == dict(results(runs[1].folder))


@pytest.mark.parametrize("storage", STORAGES)
def test_data_are_prepared_from_and_to_a_url(here, tmp_path, monkeypatch, machine, storage):
    source = here / "data/labelled"
    local = incmask.prepare("folder", source, tmp_path / "prepared", executor=HERE)
    with storage(monkeypatch) as (system, bucket):
        url = put(system, f"{bucket}/labelled", source)
        made = incmask.prepare("folder", url, f"{bucket}/deep/prepared", executor=HERE)
        assert made.parts == local.parts
        copy = fetched(system, f"{bucket}/deep/prepared", tmp_path / "copy")
        of_time = {"source.json", "manifest.jsonl", "SOURCE.md"}
        assert {*content_of(copy)} == {*content_of(tmp_path / "prepared")}
        ours, theirs = (content_of(each) for each in (copy, tmp_path / "prepared"))
        assert {k: v for k, v in ours.items() if k not in of_time} == {
            k: v for k, v in theirs.items() if k not in of_time
        }
        machine("second")
        assert incmask.prepare("folder", url, f"{bucket}/deep/prepared", executor=HERE).num_made == 0
        assert incmask.check(f"{bucket}/deep/prepared").facts.parts == incmask.check(copy).facts.parts


@pytest.mark.parametrize("storage", STORAGES)
def test_labels_go_out_and_come_back(here, tmp_path, monkeypatch, machine, storage):
    with storage(monkeypatch) as (system, bucket):
        data = put(system, f"{bucket}/data", here / "data")
        run = incmask.run(data, out=f"{bucket}/run", recipe="im", **COMMON)
        machine("second")  # which has neither data nor run
        exported = incmask.export(f"{bucket}/run", f"{bucket}/fix", format="png", top=2)
        local = incmask.export(run.folder, tmp_path / "fix", format="png", top=2)
        assert exported.names == local.names
        assert content_of(fetched(system, f"{bucket}/fix", tmp_path / "there")) == content_of(tmp_path / "fix")
        incmask.export(f"{bucket}/run", f"{bucket}/fix.zip", format="png", top=2)
        incmask.export(run.folder, tmp_path / "fix.zip", format="png", top=2)
        assert system.cat_file(f"{bucket}/fix.zip") == (tmp_path / "fix.zip").read_bytes()
        again = incmask.export(f"{bucket}/run", f"{bucket}/fix.zip", format="png", top=2)
        assert again.notes[0].startswith("it was there already")
        with pytest.raises(IncmaskError, match=rf"{bucket}/fix.zip \(its copy .*\): is there already and holds"):
            incmask.export(f"{bucket}/run", f"{bucket}/fix.zip", format="labelme", top=1)
        with pytest.raises(IncmaskError, match="nothing was corrected"):  # what was given away is known to the run
            incmask.import_labels(f"{bucket}/run", f"{bucket}/fix", format="png")

        machine("third")
        done = incmask.import_labels(f"{bucket}/run", f"{bucket}/fix", format="png", unchanged="confirm")
        assert done.round.names == tuple(sorted(local.names))
        assert incmask.import_labels(f"{bucket}/run", f"{bucket}/fix", format="png", unchanged="confirm").again
        machine("fourth")
        checked = incmask.check(data).facts
        assert checked.parts["labelled"].num_images == 4 + 2
        assert checked.parts["unlabelled"].num_images == 5 - 2


@pytest.mark.slow
def test_a_model_goes_to_a_url(here, tmp_path, monkeypatch, machine):
    pytest.importorskip("onnxscript", reason="models for others take: pip install 'incmask[onnx]'")
    pytest.importorskip("onnxruntime", reason="models for others take: pip install 'incmask[onnx]'")
    model = tmp_path / "model"
    shutil.copytree(here / "run/model", model)
    incmask.export(model, tmp_path / "local" / "net.onnx", format="onnx")
    with memory(monkeypatch) as (system, bucket):
        url = put(system, f"{bucket}/run/model", model).removesuffix("/model")
        listener = Listener()
        incmask.export(url, f"{bucket}/deep/net.onnx", format="onnx", progress=listener)
        assert listener.says(f"brought to {bucket}/deep/net.onnx")
        assert content_of(fetched(system, f"{bucket}/deep", tmp_path / "there")) == content_of(tmp_path / "local")


def test_tables_and_pages_and_corrected_copies(here, tmp_path, monkeypatch, machine):
    labelled = here / "data/labelled"
    data = tmp_path / "data"
    for path in labelled.rglob("*.png"):
        (to := data / "labelled" / path.relative_to(labelled)).parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())
    turned, first = Image.Exif(), data / "labelled/images/labelled 0.png"
    turned[274] = 3
    with Image.open(first) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(first, exif=turned)
    incmask.check(data, show=tmp_path / "page.html")
    fixed = incmask.check(data, fix=tmp_path / "fixed")
    assert fixed.changes
    incmask.rank(here / "run", out=tmp_path / "ranking.csv", top=3, executor=HERE)
    with memory(monkeypatch) as (system, bucket):
        incmask.check(data, show=f"{bucket}/page.html")
        assert system.cat_file(f"{bucket}/page.html") == (tmp_path / "page.html").read_bytes()
        assert incmask.check(data, fix=f"{bucket}/fixed").changes == fixed.changes
        assert content_of(fetched(system, f"{bucket}/fixed", tmp_path / "there")) == content_of(tmp_path / "fixed")
        incmask.rank(here / "run", out=f"{bucket}/tables/ranking.csv", top=3, executor=HERE)
        assert system.cat_file(f"{bucket}/tables/ranking.csv") == (tmp_path / "ranking.csv").read_bytes()


def test_a_storage_that_cannot_be_written_is_told(here, tmp_path, monkeypatch, machine):
    with memory(monkeypatch) as (system, bucket):

        def refuse(self, path, target, **options):
            raise PermissionError("no right for key secret://me:secret@host")

        monkeypatch.setattr(type(system), "put_file", refuse)
        for call in (
            lambda: incmask.compare(here / "data", out=f"{bucket}/sweep"),
            lambda: incmask.tune(here / "data", out=f"{bucket}/tune"),
            lambda: incmask.prepare("folder", here / "data/labelled", f"{bucket}/prepared"),
            lambda: incmask.export(here / "run", f"{bucket}/fix", format="png"),
            lambda: incmask.export(here / "run", f"{bucket}/fix.zip", format="png"),
            lambda: incmask.rank(here / "run", out=f"{bucket}/ranking.csv", executor=HERE),
        ):
            with pytest.raises(IncmaskError, match=r"memory://bucket.*: cannot be written \(PermissionError") as error:
                call()
            assert ":secret@" not in str(error.value)


def test_what_is_not_offered_for_a_url_is_refused_before_anything_is_read(tmp_path):
    told = r"s3://bucket/.*: is a URL, and {} in folders alone; "
    for what, call in {
        "the labelling loop reads and writes": lambda: incmask.loop("s3://bucket/data", budget=4),
        "what a person paints is saved": lambda: incmask.correct(tmp_path, out="s3://bucket/painted"),
    }.items():
        with pytest.raises(IncmaskError, match=told.format(what)):
            call()
