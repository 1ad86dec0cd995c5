"""Augmented copies that come in gradually, in whole runs."""

import tomllib

import pytest

from runs import make_data, run_tiny

pytestmark = pytest.mark.usefixtures("undrawn")


def bytes_of(folder):
    return [path.read_bytes() for path in sorted(folder.glob("*/model.safetensors"))]


@pytest.mark.slow
def test_students_begin_without_augmented_copies_and_base_models_do_not(tmp_path):
    data, values = make_data(tmp_path / "data", "binary"), {"epochs": 3, "admit": "all"}
    roots = []
    for name, given in (("without", {}), ("with", {"curriculum": 1.0})):
        outcome, _ = run_tiny(data, tmp_path / name, "aim+", **values, **given)
        roots.append(outcome.root)
    base, students = ([bytes_of(root / part / "students") for root in roots] for part in ("base", "gen-1"))
    assert len(base[0]) == len(students[0]) == 2
    assert base[0] == base[1]
    assert all(one != other for one, other in zip(*students, strict=True))
    # A run that was made before there was such a setting goes on, and looks the same.
    said = [tomllib.loads((root / "run.toml").read_text())["settings"].get("curriculum") for root in roots]
    assert said == [None, 1.0]
