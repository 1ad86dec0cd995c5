"""Data on a URL come to the same as those of a folder, to the byte, and results are refused there."""

from contextlib import contextmanager

import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.records import DATA, RUN
from runs import HERE, SETTINGS, make_data, results

fsspec = pytest.importorskip("fsspec")


@contextmanager
def memory(monkeypatch):
    """Give a bucket in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system, "memory://bucket"
    system.store.clear()


@contextmanager
def s3(monkeypatch):
    """Give a bucket of an S3 server of this machine."""
    pytest.importorskip("s3fs", reason="a server of S3 takes: pip install s3fs 'moto[server]'")
    server = pytest.importorskip("moto.server", reason="a server of S3 takes: pip install s3fs 'moto[server]'")
    serving = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "secret-id",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("bucket")
        yield system, "s3://bucket"
    finally:
        serving.stop()


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


def test_results_on_a_url_are_refused_before_anything_is_read(tmp_path):
    for call in (
        lambda: incmask.run("nowhere", out="s3://bucket/run"),
        lambda: incmask.compare("nowhere", out="s3://bucket/run"),
        lambda: incmask.predict("run", "nowhere", "s3://bucket/out"),
    ):
        with pytest.raises(IncmaskError, match=r"s3://bucket/.*: is a URL, and results are written in folders alone; "):
            call()
    with pytest.raises(IncmaskError, match="is a URL, and models are read in folders alone"):
        incmask.predict("s3://bucket/run", "nowhere", tmp_path)
