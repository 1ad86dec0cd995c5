"""Images that have a file for each channel."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.prediction import files
from incmask.prediction.channels import image_files
from incmask.prediction.files import ImageFile
from incmask.prediction.folder import _stamp
from incmask.prediction.listing import find_images


def plane(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)
    return path


def names(folder: Path, channels: int) -> dict[str, int]:
    return {each.name: len(each.paths) for each in image_files(find_images([folder]), channels)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "sub/b"):
        for channel in range(2):
            plane(tmp_path / f"{name}_000{channel}.png", 10 * channel)
    plane(tmp_path / "c.png", 3)
    return tmp_path


def test_files_are_joined_where_the_network_sees_as_many_channels(folder: Path) -> None:
    found = find_images([folder])
    assert [each.name for each in image_files(found, 2)] == ["a", "c", "sub/b"]
    assert found.notes == ("2 images of 2 files each, one a channel, such as a",)
    for channels in (1, 3, 4):
        assert len(names(folder, channels)) == 5


def test_three_are_joined_where_a_table_tells_of_channels(folder: Path) -> None:
    for name in ("a", "sub/b"):
        plane(folder / f"{name}_0002.png", 20)
    assert len(names(folder, 3)) == 7, "they may be frames"
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "r", "1": "g", "2": "b"}}))
    assert names(folder, 3) == {"a": 3, "sub/b": 3, "c": 1}


def test_an_image_that_lacks_a_channel_is_told(folder: Path) -> None:
    (folder / "a_0000.png").unlink()
    found = find_images([folder])
    assert [each.name for each in image_files(found, 2)] == ["c", "sub/b"]
    assert [(Path(each.where).name, each.what) for each in found.problems] == [
        ("a_0001.png", "lacks channel 0000 beside it")
    ]


def test_channels_lie_behind_each_other_and_have_one_size(folder: Path) -> None:
    class About:
        channels, intensity = 2, None

    file = ImageFile("a", folder / "a_0000.png", (folder / "a_0001.png",))
    image = files._open(file, About)
    assert isinstance(image, np.ndarray)
    assert image.shape == (4, 6, 2)
    assert image[0, 0].tolist() == [0, 10]
    plane(folder / "a_0001.png", 1, size=(4, 5))
    with pytest.raises(IncmaskError, match=r"a_0001.png: has 5×4 pixels where the first channel has 6×4"):
        files._open(file, About)


def test_a_change_of_any_file_is_a_change_of_the_image(folder: Path) -> None:
    file = ImageFile("a", folder / "a_0000.png", (folder / "a_0001.png",))
    before = _stamp(file)
    plane(folder / "a_0001.png", 99, size=(40, 60))
    assert _stamp(file) != before
    (folder / "a_0001.png").unlink()
    assert _stamp(file) is None
