"""Data on a URL come to the same as those of a folder, to the byte."""

import pytest

import incmask
from incmask.base.records import DATA, RUN
from runs import HERE, SETTINGS, make_data, results

pytest.importorskip("fsspec")
from storages import memory, s3


@pytest.mark.parametrize("storage", [memory, pytest.param(s3, marks=pytest.mark.slow)])
def test_a_url_comes_to_the_same_as_its_folder(tmp_path, monkeypatch, storage):
    monkeypatch.setenv("INCMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = make_data(tmp_path / "data", "binary", truth=False)
    with storage(monkeypatch) as (system, bucket):
        for path in folder.rglob("*.png"):
            system.pipe_file(f"{bucket}/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
        url = f"{bucket}/data"
        assert incmask.check(url).as_dict() == incmask.check(folder).as_dict()
        common = {"recipe": "im", "settings": SETTINGS, "report": False, "executor": HERE}
        here = incmask.run(folder, out=tmp_path / "of folder", **common)
        there = incmask.run(url, **common)
        assert there.folder == tmp_path / "data-run"
        assert dict(results(there.folder)) == dict(results(here.folder))
        assert len(dict(results(here.folder))) > 20
        for name in (RUN, DATA):
            assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes()
        for name, images in {"from folder": folder / "test/images", "from url": f"{url}/test/images"}.items():
            done = incmask.predict(here.folder, images, tmp_path / name, executor=HERE)
            assert len(done.shares) == 3
        assert dict(results(tmp_path / "from folder")) == dict(results(tmp_path / "from url"))
        again = incmask.predict(here.folder, f"{url}/test/images", tmp_path / "from url", executor=HERE)
        assert (again.num_unchanged, again.shares) == (3, ())
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".png", ".npy")]
    assert not [path for path in written if b"secret" in path.read_bytes()]
