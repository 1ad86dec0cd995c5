"""Data that someone changes or removes while a run reads them."""

import pytest

from incmask.base.errors import IncmaskError
from incmask.experiment import deliver, stacks
from nightly import NIGHTLY
from runs import draw, make_data, results, run_tiny, save

CHANGED = "labelled/images/labelled 1.png"


@pytest.fixture
def data(tmp_path, untrained):
    return make_data(tmp_path / "data", "binary", truth=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"), [(stacks, "stack_of"), (deliver, "evaluate_models"), (deliver, "predict_files")]
)
@pytest.mark.parametrize("how", ["changed", pytest.param("removed", marks=NIGHTLY)])
def test_a_run_stops_and_goes_on_once_they_are_back(data, tmp_path, monkeypatch, module, name, how):
    path = data / CHANGED if name == "stack_of" else data / "unlabelled/images/unlabelled 1.png"
    content, stamp = path.read_bytes(), path.stat()
    done = getattr(module, name)

    def disturbed(*given, **options):
        result = done(*given, **options)
        save(path, draw(seed=99, size=(32, 32))[0]) if how == "changed" else path.unlink(missing_ok=True)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, name, disturbed)
        told = rf"was {how} while the run was at work; put it back as it was"
        # One that is gone before it is read is told as such.
        with pytest.raises(IncmaskError, match=rf"{path.name}: (cannot be opened|{told})"):
            run_tiny(data, tmp_path / "run")
    path.write_bytes(content)
    run_tiny(data, tmp_path / "run")
    run_tiny(data, tmp_path / "other")
    assert dict(results(tmp_path / "run")) == dict(results(tmp_path / "other"))
    assert stamp.st_size == path.stat().st_size
