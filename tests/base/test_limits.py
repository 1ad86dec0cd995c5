import errno

import numpy as np
import pytest
import torch

import incmask
from incmask.base import local_pool as pools
from incmask.base.errors import IncmaskError
from incmask.base.limits import is_out_of_memory, refusal_of, refusals_told
from incmask.base.local_pool import LocalPool

TOO_MUCH = 1 << 55


def asked_too_much_of_torch():
    torch.empty(TOO_MUCH, dtype=torch.uint8)


def asked_too_much_of_numpy():
    np.empty(TOO_MUCH, np.uint8)


def asked_too_much_of_the_system():
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize("ask", [asked_too_much_of_torch, asked_too_much_of_numpy, asked_too_much_of_the_system])
def test_want_of_memory_is_a_line_with_its_mend(ask):
    told = r"^memory: does not suffice; close other programs, or raise the limit"
    with pytest.raises(IncmaskError, match=told), refusals_told():
        ask()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a.png"), "a.png: as many are open as are allowed; raise the"),
        (OSError(errno.ENOSPC, "No space left on device", "b.csv"), "b.csv: is full; make room; the same command"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk: is full; make room"),
        (
            RuntimeError("scatter_cuda does not have a deterministic implementation"),
            "deterministic: the GPU has no way to compute a part of this run the same each time; leave it out",
        ),
        (RuntimeError("can't start new thread"), "memory: does not suffice; "),
        (ImportError("a.so: failed to map segment from shared object"), "memory: does not suffice; "),
    ],
)
def test_what_the_machine_refuses_is_told(error, told):
    assert str(refusal_of(error)).startswith(told)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("mat1 and mat2 shapes"), FileNotFoundError(errno.ENOENT, "No such file"), ImportError("no torch")],
)
def test_a_defect_of_the_program_stays_one(error):
    assert refusal_of(error) is None
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), refusals_told():
        raise error


def test_commands_and_functions_tell_it(call, monkeypatch, tmp_path):
    def no_memory(*args, **options):
        raise MemoryError

    monkeypatch.setattr("incmask.api.watching.verify_run", no_memory)
    with pytest.raises(IncmaskError, match="memory: does not suffice"):
        incmask.verify(tmp_path)
    code, _, told = call("verify", tmp_path)
    assert code == 1
    assert told.splitlines()[-1].startswith("incmask: memory: does not suffice; ")


def test_a_worker_without_the_memory_to_load_ends_and_leaves_the_telling_to_its_parent(monkeypatch):
    def load(networks):
        raise ImportError("a.so: failed to map segment from shared object" if networks else "no a.so")

    ends = []
    for name, value in (("_load", load), ("_progress", None), ("_remedy", "")):
        monkeypatch.setattr(pools, name, value)
    monkeypatch.setattr(pools.os, "_exit", ends.append)
    pools._start(None, None, True, "", False)
    assert ends == [1]
    with pytest.raises(ImportError, match=r"^no a\.so$"):
        pools._start(None, None, False, "", False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT])
def test_no_room_for_what_processes_wait_by_is_told(monkeypatch, code):
    class Full:
        def __init__(self, method):
            pass

        def SimpleQueue(self):
            raise OSError(code, "refused")

    monkeypatch.setattr(pools.multiprocessing, "get_context", Full)
    with pytest.raises(IncmaskError, match=r"^/dev/shm: has no room for worker processes \(refused\); enlarge it"):
        LocalPool(1)
