import dataclasses

import cv2
import numpy as np
import pytest
from toy import CLASSES, ToyWork, install, label_of, picture, toy_plan, toys

from incmask.base.choosing import read_config
from incmask.base.errors import IncmaskError
from incmask.base.pool import HerePool
from incmask.base.progress import Silent
from incmask.base.store import Store
from incmask.data.dataset import ClassInfo, DataOptions
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_image, read_label
from incmask.exchange.prepare import write
from incmask.exchange.prepare.plan import Destination, PrepareOptions
from incmask.exchange.prepare.texts import config_text
from incmask.exchange.prepare.write import check_places, encode_image, verify, write_plan
from incmask.exchange.sources.sources import SourceTree


@pytest.fixture(autouse=True)
def _inline(monkeypatch):
    install(monkeypatch)


def plan_of(root):
    return toy_plan(SourceTree.open(root), PrepareOptions())


def written(plan, dst, progress=None, open_pool=HerePool):
    with Store(dst, run={}, data={}) as store:
        return write_plan(plan, store, verified=verify(dst), open_pool=open_pool, progress=progress or Silent())


def message(call, *args):
    with pytest.raises(IncmaskError) as caught:
        call(*args)
    return str(caught.value)


class Bar(Silent):
    def __init__(self):
        self.expected, self.done, self.said = [], 0, []

    def say(self, line):
        self.said.append(line)

    def expect(self, amount):
        self.expected.append(amount)

    def advance(self, amount):
        self.done += amount


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_what_is_written_is_read_back_pixel_for_pixel(tmp_path, task, ignored):
    plan = plan_of(toys(tmp_path / "src", "l1 u1 u2 v1 t1", task=task, ignored=ignored))
    dst = tmp_path / "dst"
    written(plan, dst)
    (dst / "incmask.toml").write_text(config_text(plan))
    config = read_config(dst)
    dataset = load_dataset(dst, DataOptions(**config.data))
    assert (dataset.task, dataset.position_class) == (task, "dead" if task == "multilabel" else None)
    value = {(True, "binary"): 1}.get((ignored, task))
    assert dataset.classes == tuple(
        info if value is None else dataclasses.replace(info, value=value) for info in CLASSES[task]
    )
    assert (config.profile, config.settings) == ("upright", {"size": [16, 16], "width": 1.0})
    names = {part: [item.name for item in items] for part, items in dataset.parts()}
    assert names == {
        "labelled": ["l1_0", "l1_1"],
        "unlabelled": ["u1_0", "u1_1", "u2_0", "u2_1"],
        "val": ["v1_0", "v1_1"],
        "test": ["t1_0", "t1_1"],
    }
    channels = 1 if task == "multilabel" else 3
    for _, items in dataset.parts():
        for item in items:
            source, crop = item.name.split("_")
            content = f"toy {source}{' bare' if source == 'u2' else ''}".encode()
            np.testing.assert_array_equal(read_image(item.image), picture(content, int(crop), channels))
            expected = label_of(content, task, ignored)
            if expected is None:
                assert item.masks is None
            else:
                np.testing.assert_array_equal(read_label(item, dataset), expected)


def test_images_are_pngs_in_rgb():
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 250, 128, 3
    content = encode_image(image)
    assert content.startswith(b"\x89PNG")
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[0, 0].tolist() == [3, 128, 250]


@pytest.mark.parametrize("num", [2, 4, 5])
def test_images_of_other_channels_are_tiffs_that_read_back(num, tmp_path):
    image = np.arange(3 * 4 * num, dtype=np.uint8).reshape(3, 4, num)
    (tmp_path / "a.tif").write_bytes(encode_image(image))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3))])
def test_other_arrays_are_no_images(image):
    with pytest.raises(ValueError, match="expected"):
        encode_image(image)


def test_progress_counts_the_images_that_are_left(tmp_path):
    plan = plan_of(toys(tmp_path / "src"))
    first = dataclasses.replace(plan, works=plan.works[:2])
    bars = [Bar(), Bar(), Bar()]
    made = [written(p, tmp_path / "dst", bar) for p, bar in zip((first, plan, plan), bars, strict=True)]
    assert made == [4, 6, 0]
    assert [(bar.expected, bar.done) for bar in bars] == [([4], 4), ([6], 6), ([], 0)]
    assert bars[1].said == ["4 of 10 images are there already"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "", "a//b"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    plan = plan_of(toys(tmp_path / "src"))

    told = message(check_places, placed(plan, Destination("val", name)), tmp_path / "dst")
    assert "is no name for a file inside" in told
    assert not (tmp_path / "dst").exists()


def test_folders_of_classes_that_lead_out_are_refused(tmp_path):
    plan = plan_of(toys(tmp_path / "src", task="multilabel"))
    classes = (plan.classes[0], ClassInfo("x", (1, 2, 3), "../x"))
    assert "is no name" in message(check_places, dataclasses.replace(plan, classes=classes), tmp_path)


@dataclasses.dataclass(frozen=True)
class Placed(ToyWork):
    """A toy that goes to labelled/l1_0 and l1_1, and says that it goes elsewhere."""

    elsewhere: tuple[Destination, ...] = ()

    @property
    def places(self):
        return self.elsewhere

    def make(self):
        return ToyWork(self.entry, "l1", "binary", False, 3).make()


def placed(plan, *places):
    """Give the plan with a work more."""
    work = Placed(plan.works[0].entry, "l1", "binary", False, 3, elsewhere=places)
    return dataclasses.replace(plan, works=(*plan.works, work))


@pytest.mark.parametrize("name", ["l1_0", "L1_0"])
def test_two_images_of_one_name_are_refused_also_where_only_capitals_differ(tmp_path, name):
    plan = plan_of(toys(tmp_path / "src"))
    told = message(check_places, placed(plan, Destination("labelled", name)), tmp_path)
    assert told.startswith(f"{name}: would overwrite l1_0 in labelled; ")
    check_places(placed(plan, Destination("val", name)), tmp_path)


def test_all_that_is_damaged_is_told_at_once_and_the_rest_is_written(tmp_path):
    src = toys(tmp_path / "src")
    plan = plan_of(src)
    for name in ("l2", "v1"):
        (src / "toy" / f"{name}.txt").write_bytes(b"")
    told = message(written, plan, tmp_path / "dst").splitlines()
    assert [line.split(": ")[0] for line in told] == [str(src / "toy" / f"{name}.txt") for name in ("l2", "v1")]
    assert sorted(path.stem for path in (tmp_path / "dst").glob("*/images/*")) == [
        f"{name}_{crop}" for name in ("l1", "t1", "u1") for crop in range(2)
    ]
    for name in ("l2", "v1"):
        (src / "toy" / f"{name}.txt").write_text(f"toy {name}")
    assert written(plan, tmp_path / "dst") == 4


def test_a_long_list_of_damaged_files_is_cut(tmp_path):
    src = toys(tmp_path / "src", " ".join(f"l{index}" for index in range(13)))
    plan = plan_of(src)
    for path in (src / "toy").glob("*.txt"):
        path.write_bytes(b"")
    told = message(written, plan, tmp_path / "dst").splitlines()
    assert len(told) == 11
    assert "3 more files are so" in told[-1]


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    plan = plan_of(toys(tmp_path / "src"))
    usage = write.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(write.shutil, "disk_usage", lambda path: usage._replace(free=40_000))
    told = message(written, plan, tmp_path / "dst")
    assert told.startswith(f"{tmp_path / 'dst'}: has 4e-05 GB free, about ")
    assert not [*(tmp_path / "dst").glob("*/images/*")]
    monkeypatch.setattr(write.shutil, "disk_usage", lambda path: usage._replace(free=80_000))
    assert written(plan, tmp_path / "dst") == 10


@pytest.mark.parametrize("names", [["l1_0"], ["l1_0", "l1_1", "l1_2"], ["l1_1", "l1_0"]])
def test_a_work_that_makes_something_else_than_it_said_is_a_mistake_of_ours(tmp_path, names):
    plan = placed(plan_of(toys(tmp_path / "src", "l1")), *(Destination("labelled", name) for name in names))
    with pytest.raises(ValueError, match="promised"):
        written(dataclasses.replace(plan, works=plan.works[1:]), tmp_path / "dst")


def test_a_missing_mask_is_made_anew_with_its_image(tmp_path):
    plan = plan_of(toys(tmp_path / "src", "l1 u2", task="multilabel"))
    written(plan, tmp_path / "dst")
    lost = tmp_path / "dst" / "labelled" / "masks" / "dead" / "l1_1.png"
    content = lost.read_bytes()
    lost.unlink()
    assert written(plan, tmp_path / "dst") == 2
    assert lost.read_bytes() == content
    # u2 has no masks, which is no reason to make it again.
    assert written(plan, tmp_path / "dst") == 0


def test_few_workers_fit_into_the_memory(tmp_path, monkeypatch):
    asked = []

    class Pool(HerePool):
        def __init__(self, num_workers, *, networks, less_memory):
            asked.append((num_workers, networks))
            super().__init__(num_workers)

    monkeypatch.setattr(write, "num_cores", lambda: 64)
    monkeypatch.setattr(write, "_CHUNK_IMAGES", 1)
    written(plan_of(toys(tmp_path / "src")), tmp_path / "dst", open_pool=Pool)
    assert asked == [(3, False)]
