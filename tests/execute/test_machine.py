import pytest

from incmask.execute import machine

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """A container's files; tests write those that there are."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "meminfo")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("", 8),
        ("rubbish", 8),
        (None, 8),
    ],
)
def test_cores_are_those_of_the_quota(cgroup, content, cores):
    if content is not None:
        (cgroup / "cpu.max").write_text(f"{content}\n")
    assert machine.num_cores() == cores


def test_cores_without_affinity(cgroup, monkeypatch):
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 3)
    assert machine.num_cores() == 3
    monkeypatch.setattr(machine.os, "cpu_count", lambda: None)
    assert machine.num_cores() == 1


def test_memory_is_the_systems_where_nothing_limits_it(cgroup):
    assert machine.available_bytes() == 8_000_000 * 1024
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "memory.current").write_text("5\n")
    assert machine.available_bytes() == 8_000_000 * 1024


def test_memory_is_what_the_container_has_left(cgroup):
    (cgroup / "memory.max").write_text("3000000000\n")
    (cgroup / "memory.current").write_text("2000000000\n")
    assert machine.available_bytes() == 1_000_000_000
    (cgroup / "memory.stat").write_text("anon 1\ninactive_anon 7\ninactive_file 400000000\nactive_file 9\n")
    assert machine.available_bytes() == 1_400_000_000  # files that were read can be dropped
    (cgroup / "memory.max").write_text("300000000000\n")
    assert machine.available_bytes() == 8_000_000 * 1024


@pytest.mark.parametrize("content", [None, "MemTotal: 5 kB\n", "MemAvailable: rubbish kB\n"])
def test_a_system_that_does_not_tell(cgroup, content):
    if content is None:
        (cgroup / "meminfo").unlink()
    else:
        (cgroup / "meminfo").write_text(content)
    assert machine.available_bytes() is None
