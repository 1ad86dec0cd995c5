import pytest

from incmask.base import machine

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """A container's files; tests write those that there are."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "own")
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


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")


@pytest.mark.parametrize(
    ("quota", "cores"), [("-1", 8), ("200000", 2), ("250000", 2), ("50000", 1), ("1600000", 8), ("rubbish", 8)]
)
@pytest.mark.parametrize("group", ["", "docker/abc"])
def test_cores_are_those_of_the_quota_of_the_first_version(cgroup, quota, cores, group):
    (cgroup / "own").write_text(f"11:memory:/x\n4:cpu,cpuacct:/{group}\n1:name=systemd:/y\n")
    write(cgroup / "cpu" / group / "cpu.cfs_quota_us", quota)
    write(cgroup / "cpu" / group / "cpu.cfs_period_us", "100000")
    assert machine.num_cores() == cores


def test_the_smallest_quota_above_a_process_counts(cgroup):
    """As of a service within a slice, which has limits of its own."""
    (cgroup / "own").write_text("0::/user.slice/job.service\n")
    write(cgroup / "user.slice" / "job.service" / "cpu.max", "600000 100000")
    assert machine.num_cores() == 6
    write(cgroup / "user.slice" / "cpu.max", "300000 100000")
    assert machine.num_cores() == 3
    write(cgroup / "cpu.max", "max 100000")
    assert machine.num_cores() == 3


@pytest.mark.parametrize("own", ["0::/name/outside\n", "0::/../../elsewhere\n", "rubbish\n", "", None])
def test_a_container_that_does_not_know_its_own_group_has_the_root_s_quota(cgroup, own):
    if own is not None:
        (cgroup / "own").write_text(own)
    write(cgroup / "cpu.max", "200000 100000")
    assert machine.num_cores() == 2


def test_one_core_is_one_core(cgroup, monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: {5}, raising=False)
    write(cgroup / "cpu.max", "400000 100000")
    assert machine.num_cores() == 1


def test_memory_of_the_first_version(cgroup):
    (cgroup / "own").write_text("9:memory:/job\n")
    folder = cgroup / "memory" / "job"
    write(folder / "memory.limit_in_bytes", "3000000000")
    write(folder / "memory.usage_in_bytes", "2000000000")
    write(folder / "memory.stat", "inactive_file 1\ntotal_inactive_file 400000000")
    assert machine.available_bytes() == 1_400_000_000
    # What stands there without a limit.
    write(folder / "memory.limit_in_bytes", "9223372036854771712")
    assert machine.available_bytes() == 8_000_000 * 1024


def test_the_tightest_memory_limit_counts(cgroup):
    (cgroup / "own").write_text("0::/slice/job\n")
    for group, limit in (("slice/job", 5_000_000_000), ("slice", 3_000_000_000)):
        write(cgroup / group / "memory.max", str(limit))
        write(cgroup / group / "memory.current", "1000000000")
    assert machine.available_bytes() == 2_000_000_000


@pytest.mark.skipif(machine.resource is None, reason="the system has no such limits")
def test_memory_is_what_a_limit_of_addresses_leaves(cgroup, monkeypatch):
    (cgroup / "status").write_text("VmPeak:\t  900 kB\nVmSize:\t 1000 kB\n")
    monkeypatch.setattr(machine, "_STATUS", cgroup / "status")
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: (3_000_000, -1))
    assert machine.available_bytes() == 3_000_000 - 1_024_000
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: (machine.resource.RLIM_INFINITY, -1))
    assert machine.available_bytes() == 8_000_000 * 1024
