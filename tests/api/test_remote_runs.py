"""A run on a URL is that of a folder, to the byte, also where it was killed and went on on another machine."""

import json

import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.manifest import MANIFEST
from runs import HERE, SETTINGS, Listener, make_data, results

pytest.importorskip("fsspec")
from nightly import NIGHTLY
from storages import memory, s3

COMMON = {"recipe": "im", "settings": SETTINGS, "executor": HERE}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A data folder, and its run in a folder."""
    root = tmp_path_factory.mktemp("here")
    make_data(root / "data", "binary", truth=False)
    incmask.run(root / "data", out=root / "run", **COMMON)
    return root


def stored(system, place, folder):
    """Bring all that a storage holds of a run into a folder, as another tool does."""
    for path in system.find(place):
        below = path.split("/run/", 1)[1]
        (folder / below).parent.mkdir(parents=True, exist_ok=True)
        (folder / below).write_bytes(system.cat_file(path))
    return folder


@pytest.mark.parametrize("storage", [memory, pytest.param(s3, marks=pytest.mark.slow)])
def test_a_run_on_a_url_is_that_of_a_folder(here, tmp_path, monkeypatch, storage):
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    with storage(monkeypatch) as (system, bucket):
        url = f"{bucket}/deep/run"
        listener = Listener()
        made = incmask.run(here / "data", out=url, progress=listener, **COMMON)
        assert any(f"brought to {url}" in line for line in listener.lines)
        copy = stored(system, f"{bucket}/deep/run", tmp_path / "copy")
        assert dict(results(copy)) == dict(results(here / "run")) == dict(results(made.folder))
        assert {*_names(copy)} == {*_names(made.folder)} - {".lock"}
        assert incmask.verify(copy).problems == incmask.verify(copy).unknown == ()

        # From another machine.
        monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "other cache"))
        status = incmask.status(url)
        assert (status.state, status.num_models) == ("ended", incmask.status(here / "run").num_models)
        assert incmask.verify(url).is_whole
        for name, model in {"from folder": here / "run", "from url": url, "from model": f"{url}/model"}.items():
            incmask.predict(model, here / "data/test/images", tmp_path / name, executor=HERE)
        assert dict(results(tmp_path / "from url")) == dict(results(tmp_path / "from folder"))
        assert dict(results(tmp_path / "from model")) == dict(results(tmp_path / "from folder"))
        incmask.predict(here / "run", here / "data/test/images", f"{bucket}/out/run", executor=HERE)
        assert dict(results(stored(system, f"{bucket}/out/run", tmp_path / "out"))) == dict(
            results(tmp_path / "from folder")
        )
        again = incmask.predict(here / "run", here / "data/test/images", f"{bucket}/out/run", executor=HERE)
        assert (again.num_unchanged, again.shares) == (3, ())
        system.rm_file(f"{bucket}/deep/run/report.html")
        page = incmask.report(url, executor=HERE)
        assert system.cat_file(f"{bucket}/deep/run/report.html") == page.read_bytes()
        ranking = incmask.rank(url, executor=HERE)
        assert ranking.rows == incmask.rank(here / "run", executor=HERE).rows
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".png", ".npy")]
    assert not [path for path in written if b"secret" in path.read_bytes()]


def _names(root):
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


class Killed(BaseException):
    """What no code of a process that is gone answers."""


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize(
    "num_files",
    [5, pytest.param(25, marks=pytest.mark.slow), *(pytest.param(num, marks=NIGHTLY) for num in (12, 34, 41, 60))],
)
def test_killed_at_any_file_it_goes_on_elsewhere(here, tmp_path, monkeypatch, num_files, elsewhere):
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    with memory(monkeypatch) as (system, bucket):
        put, done = type(system).put_file, []

        def dying(self, path, target, **options):
            done.append(target)
            if len(done) >= num_files:
                raise Killed
            return put(self, path, target, **options)

        monkeypatch.setattr(type(system), "put_file", dying)
        with pytest.raises(Killed):
            incmask.run(here / "data", out=f"{bucket}/run", **COMMON)
        monkeypatch.setattr(type(system), "put_file", put)
        manifest = f"{bucket}/run/{MANIFEST}"
        told = system.cat_file(manifest).decode().splitlines() if system.exists(manifest) else []
        there = {path.split("/run/", 1)[1] for path in system.find(f"{bucket}/run")}
        assert {json.loads(line)["path"] for line in told} <= there
        if elsewhere:
            monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "other cache"))
        listener = Listener()
        incmask.run(here / "data", out=f"{bucket}/run", progress=listener, **COMMON)
        copy = stored(system, f"{bucket}/run", tmp_path / "copy")
        assert dict(results(copy)) == dict(results(here / "run"))
        assert incmask.verify(copy).problems == ()
        assert not [line for line in listener.lines if "made anew" in line and ".toml" in line]


def test_a_storage_that_cannot_be_written_is_told_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    with memory(monkeypatch) as (system, bucket):

        def refuse(self, path, target, **options):
            raise PermissionError("no right for key secret://me:secret@host")

        monkeypatch.setattr(type(system), "put_file", refuse)
        with pytest.raises(IncmaskError, match=r"memory://bucket/run: cannot be written \(PermissionError: ") as error:
            incmask.run(tmp_path / "nowhere", out=f"{bucket}/run")
        assert ":secret@" not in str(error.value)
