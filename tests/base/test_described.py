"""What lies in a file of jobs comes back as it was, and runs nothing but what may be run."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import light_jobs
import numpy as np
import pytest

from incmask.base.config import Settings
from incmask.base.described import function_name, function_of, modules_of, read_described, write_described
from incmask.base.errors import IncmaskError, Problem
from incmask.method.recipes import RECIPES
from incmask.training.loop import fit


@dataclass(frozen=True)
class Anything:
    """A record of this module."""

    value: object


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, -0.0, 0.1 + 0.2, float("inf"), True, "ä\udce9"],
        (Path("a b/c.png"), {"x": (1,), 2: None}, {3}, frozenset("a"), range(2, 9, 3)),
        Settings(epochs=7, size=(32, 64)),
        RECIPES["aim++"],
        Problem("where", "what", "mend"),
        Anything((Anything(1),)),
        {"is": "path", "of": "no path"},
    ],
)
def test_values_come_back_equal_and_of_the_same_kinds(tmp_path, value):
    write_described(tmp_path / "0.json", value)
    back = read_described(tmp_path / "0.json", modules=("incmask", __name__))
    assert repr(back) == repr(value)
    assert type(back) is type(value)
    assert not (tmp_path / "0.npz").exists()


def test_arrays_come_back_with_their_types_and_lie_beside(tmp_path):
    rows = np.zeros(2, [("source", "u1"), ("seed", "<u4")])
    arrays = (np.eye(2, dtype=np.float32), rows, np.array(["", "rating"]), np.zeros((0, 3), bool), np.int64(3))
    write_described(tmp_path / "0.json", arrays)
    back = read_described(tmp_path / "0.json")
    for there, value in zip(back, arrays, strict=True):
        assert there.dtype == value.dtype
        np.testing.assert_array_equal(there, value)
    assert isinstance(back[4], np.int64)
    assert (tmp_path / "0.npz").exists()


def test_functions_that_jobs_may_call_are_found_by_name_and_no_others(tmp_path):
    assert function_of(function_name(fit)) is fit
    write_described(tmp_path / "0.json", partial(fit, report=None))
    back = read_described(tmp_path / "0.json")
    assert (back.func, back.keywords) == (fit, {"report": None})
    assert modules_of(["light_jobs:square", "incmask.training.loop:fit"]) == ["incmask", "light_jobs"]
    for name in ("incmask.base.files:remove_dead", "os:system", "incmask.training.loop:torch", "light_jobs:square"):
        with pytest.raises(IncmaskError, match="is nothing that a job in a file may name"):
            function_of(name)
    assert function_of("light_jobs:square", modules=("light_jobs",)) is light_jobs.square
    with pytest.raises(IncmaskError, match=r"jobs:has_torch: is no function that jobs in files may call; enter it"):
        function_name(light_jobs.has_torch)
    with pytest.raises(IncmaskError, match="cannot be found by other processes; define it at the top of a module"):
        write_described(tmp_path / "0.json", lambda: None)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"is": "subprocess:Popen", "of": {"args": "id"}}, "subprocess:Popen: is nothing"),
        ({"is": "incmask.base.local_pool:LocalPool", "of": {"num_workers": 1}}, "LocalPool: is nothing"),
        ({"is": "incmask.gone:Gone", "of": {}}, "incmask.gone: cannot be imported"),
        ({"is": "incmask.base.errors:Problem", "of": {"other": 1}}, "is no description of a job"),
        ({"is": "array", "of": "array0"}, "is no description of a job"),
        ({"is": "function", "of": "incmask.base.files:remove_dead"}, "is nothing"),
        ([[{}]], "is no description of a job"),
    ],
)
def test_what_nobody_wrote_is_refused(tmp_path, tree, told):
    (tmp_path / "0.json").write_text(json.dumps(tree))
    with pytest.raises(IncmaskError, match=told):
        read_described(tmp_path / "0.json")


def test_arrays_of_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(IncmaskError, match="an array of objects: is no data"):
        write_described(tmp_path / "0.json", np.array([{}], object))
    with pytest.raises(IncmaskError, match="is no data, so that no job in a file can hold it"):
        write_described(tmp_path / "0.json", object())
    np.savez(tmp_path / "1.npz", array0=np.array([{}], object))
    (tmp_path / "1.json").write_text(json.dumps({"is": "array", "of": "array0"}))
    with pytest.raises(IncmaskError, match="Object arrays cannot be loaded"):
        read_described(tmp_path / "1.json")
