"""Storages of this machine: buckets in memory, and of a made-up S3 server."""

from contextlib import contextmanager
from urllib.request import Request, urlopen

import fsspec
import pytest


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
        # All servers of a process share their buckets, and file systems know an earlier one.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("bucket")
        yield system, "s3://bucket"
    finally:
        serving.stop()
