import json

import pytest

import incmask
from damages import DAMAGES
from finished_runs import copy_of
from incmask.base.errors import IncmaskError


@pytest.fixture
def run(finished_run, tmp_path):
    return copy_of(finished_run("growing"), tmp_path)


def test_a_run_as_it_was_written_is_whole(call, run):
    found = incmask.verify(run)
    lines = [json.loads(line) for line in (run / "manifest.jsonl").read_text().splitlines()]
    sizes = {line["path"]: line["bytes"] for line in lines}
    assert found.is_whole
    assert (found.problems, found.unknown) == ((), ())
    assert (found.num_files, found.num_bytes) == (len(sizes), sum(sizes.values()))
    code, told, _ = call("verify", run)
    assert code == 0
    assert told == f"{len(sizes)} files of {sum(sizes.values()) / 1e6:.1f} MB read: all as they were written\n"


def test_what_is_damaged_gone_or_unknown_is_listed_with_its_mend(call, run):
    DAMAGES["flipped"](run / "stacks" / "val" / "labels.npy")
    DAMAGES["truncated"](run / "scores.csv")
    (run / "masks" / "unlabelled 1.png").unlink()
    (run / "base" / "notes.txt").write_text("mine")
    # What a run at work leaves is no news.
    (run / "gen-1" / "students" / "1" / "checkpoint.safetensors").write_bytes(b"x")
    (run / "damaged").mkdir()
    (run / "damaged" / "scores.csv").write_text("")
    code, told, _ = call("verify", run)
    anew = "let the same `incmask run` go on: it makes it anew"
    size = (run / "scores.csv").stat().st_size
    assert code == 1
    *lines, last = told.splitlines()
    assert lines[0] == f"{run / 'stacks/val/labels.npy'}: holds other bytes than were written; {anew}"
    assert lines[2] == f"{run / 'masks/unlabelled 1.png'}: is gone; {anew}"
    assert lines[1].startswith(f"{run / 'scores.csv'}: holds {size:,} bytes, ")
    assert lines[3] == f"{run / 'base/notes.txt'}: is unknown: no command entered it; keep it, or remove it"
    assert last.endswith(" read: 3 files damaged or gone")
    code, told, _ = call("verify", run, "--json")
    values = json.loads(told)
    assert (code, values["whole"], values["unknown"]) == (1, False, [str(run / "base" / "notes.txt")])
    assert [problem["what"] for problem in values["problems"]][2] == "is gone"
    assert not incmask.verify(run).is_whole


def test_runs_in_a_comparison_are_read_too(run, tmp_path):
    outer = tmp_path / "compared"
    outer.mkdir()
    (outer / "manifest.jsonl").write_text("")
    run.rename(outer / "one")
    DAMAGES["emptied"](outer / "one" / "scores.csv")
    (problem,) = incmask.verify(outer).problems
    assert (problem.where, problem.what) == (str(outer / "one" / "scores.csv"), "is empty")
    assert "`incmask.compare`" in problem.remedy


def test_what_is_no_run_is_refused(run, tmp_path):
    with pytest.raises(IncmaskError, match="is no run folder; name the folder that"):
        incmask.verify(tmp_path / "nowhere")
    (run / "manifest.jsonl").unlink()
    with pytest.raises(IncmaskError, match=r"manifest\.jsonl: is gone, so that nothing tells what of the run is whole"):
        incmask.verify(run)
