import csv
import errno
import os

import cv2
import numpy as np
import pytest
from trees import options, picture, save, scan_ok

from incmask.base.errors import IncmaskError
from incmask.data.dataset import Item
from incmask.data.folder.scan import load_dataset
from incmask.data.images.tiles import scale_image
from incmask.data.stack import build_stack, derive_size, read_stack

SIZE = (16, 32)


def mask(height, width, *, seed, highest=1, value=255):
    return np.random.default_rng(seed).integers(0, highest + 1, (height, width), dtype=np.uint8) * np.uint8(value)


def mixed(root):
    """A grey image and RGB ones, of three sizes; binary masks."""
    contents = {}
    for seed, (name, channels, height, width) in enumerate(
        [("a", 3, 16, 32), ("b", 1, 16, 32), ("sub/c", 3, 32, 64), ("d", 3, 9, 20)]
    ):
        image = picture(seed, channels=channels, height=height, width=width)
        label = mask(height, width, seed=seed)
        save(root / "labelled" / "images" / f"{name}.png", image)
        save(root / "labelled" / "masks" / f"{name}.png", label)
        contents[name] = (image, label // 255)
    return scan_ok(root), contents


def built(items, dataset, folder, *, fit, size=SIZE, num_threads=1):
    stack = build_stack(items, dataset, size=size, fit=fit, folder=folder, num_threads=num_threads)
    labels = np.load(stack.labels) if stack.labels.exists() else None
    return stack, np.load(stack.images), labels


@pytest.mark.parametrize("num_threads", [1, 3])
def test_images_of_any_size_and_depth_are_brought_to_one(tmp_path, num_threads):
    dataset, contents = mixed(tmp_path / "data")
    stack, images, labels = built(dataset.labelled, dataset, tmp_path / "stack", fit="resize", num_threads=num_threads)
    assert stack.names == tuple(item.name for item in dataset.labelled)
    assert sorted(stack.names) == sorted(contents)
    assert (images.shape, images.dtype) == ((4, *SIZE, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((4, *SIZE), np.uint8)
    by_name = {name: (images[row], labels[row]) for row, name in enumerate(stack.names)}
    image, label = contents["a"]
    assert np.array_equal(by_name["a"][0], image)
    assert np.array_equal(by_name["a"][1], label)
    image, label = contents["b"]
    assert np.array_equal(by_name["b"][0], image[..., None].repeat(3, 2))
    assert np.array_equal(by_name["b"][1], label)
    image, label = contents["sub/c"]
    means = image.reshape(16, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(by_name["sub/c"][0] - means).max() <= 0.5
    assert np.array_equal(by_name["sub/c"][1], label[1::2, 1::2])
    image, label = contents["d"]
    assert np.array_equal(by_name["d"][0], scale_image(image, SIZE))
    assert set(np.unique(by_name["d"][1])) == {0, 1}


def test_grey_is_made_of_colours_where_the_network_is_grey(tmp_path):
    mixed(tmp_path / "data")
    dataset = load_dataset(tmp_path / "data", options(channels=1))
    stack, images, _ = built(dataset.labelled, dataset, tmp_path / "stack", fit="resize")
    assert images.shape == (4, *SIZE, 1)
    original = cv2.imread(str(tmp_path / "data" / "labelled" / "images" / "a.png"))
    grey = original @ np.array([0.114, 0.587, 0.299])
    assert np.abs(images[stack.names.index("a"), ..., 0] - grey).max() <= 1


def test_tiles_mirror_the_image_and_have_no_label_beyond_it(tmp_path):
    dataset, contents = mixed(tmp_path / "data")
    stack, images, labels = built(dataset.labelled, dataset, tmp_path / "stack", fit="tile")
    assert [stack.names.count(name) for name in ("a", "b", "sub/c", "d")] == [1, 1, 4, 1]
    first = stack.names.index("sub/c")
    assert stack.names[first : first + 4] == ("sub/c",) * 4
    image, label = contents["sub/c"]
    for row, (top, left) in enumerate([(0, 0), (0, 32), (16, 0), (16, 32)], first):
        assert np.array_equal(images[row], image[top : top + 16, left : left + 32])
        assert np.array_equal(labels[row], label[top : top + 16, left : left + 32])
    image, label = contents["d"]
    row = stack.names.index("d")
    assert np.array_equal(images[row, :9, :20], image)
    assert np.array_equal(images[row, 9:, :20], image[::-1][:7])
    assert np.array_equal(images[row, :9, 20:], image[:, ::-1][:, :12])
    assert np.array_equal(labels[row, :9, :20], label)
    assert (labels[row, 9:] == 255).all()
    assert (labels[row, :, 20:] == 255).all()
    with open(stack.index, newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert tuple(line["name"] for line in lines) == stack.names
    places = [tuple(int(line[name]) for name in ("top", "left", "height", "width")) for line in lines]
    assert places[first : first + 4] == [(0, 0, 16, 32), (0, 32, 16, 32), (16, 0, 16, 32), (16, 32, 16, 32)]


def test_a_stack_is_opened_as_it_was_built(tmp_path):
    dataset, _ = mixed(tmp_path / "data")
    for fit in ("resize", "tile"):
        stack, images, _ = built(dataset.labelled, dataset, tmp_path / fit, fit=fit)
        assert read_stack(tmp_path / fit) == stack
        assert len(stack) == len(images)
        assert {path.name for path in stack.files} == {"images.npy", "labels.npy", "index.csv"}
        assert sorted(stack.files) == sorted((tmp_path / fit).iterdir())


def test_images_without_masks_have_no_labels(tmp_path):
    mixed(tmp_path / "data")
    save(tmp_path / "data" / "unlabelled" / "u.png", picture(50, height=16, width=32))
    dataset = scan_ok(tmp_path / "data")
    stack, images, labels = built(dataset.unlabelled, dataset, tmp_path / "stack", fit="resize")
    assert (len(images), labels) == (1, None)
    assert {path.name for path in stack.files} == {"images.npy", "index.csv"}


def test_channels_of_multilabel_masks(tmp_path):
    for seed in range(2):
        save(tmp_path / "labelled" / "images" / f"{seed}.png", picture(seed, height=16, width=32))
        for number, name in enumerate(("alive", "dead")):
            save(tmp_path / "labelled" / "masks" / name / f"{seed}.png", mask(16, 32, seed=seed * 2 + number))
    dataset = scan_ok(tmp_path)
    _, _, labels = built(dataset.labelled, dataset, tmp_path / "stack", fit="tile", size=(16, 48))
    assert labels.shape == (2, 16, 48, 2)
    for seed in range(2):
        for number in range(2):
            assert np.array_equal(labels[seed, :, :32, number], mask(16, 32, seed=seed * 2 + number) // 255)
    assert (labels[:, :, 32:] == 255).all()


def test_a_broken_file_is_told_and_leaves_nothing(tmp_path):
    dataset, _ = mixed(tmp_path / "data")
    path = tmp_path / "data" / "labelled" / "images" / "b.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(IncmaskError, match=r"b\.png"):
        build_stack(dataset.labelled, dataset, size=SIZE, fit="resize", folder=tmp_path / "stack", num_threads=2)
    assert list((tmp_path / "stack").iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_read(tmp_path, monkeypatch):
    """Writing to a mapped file for which there is no room would end the process."""
    dataset, _ = mixed(tmp_path / "data")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(IncmaskError, match="No space left on device"):
        build_stack(dataset.labelled, dataset, size=SIZE, fit="resize", folder=tmp_path / "stack")
    assert list((tmp_path / "stack").iterdir()) == []


def items(*sizes):
    return [Item(str(index), None, None, height, width) for index, (height, width) in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "resized", "tiled"),
    [
        ([(256, 256)], (256, 256), (256, 256)),
        ([(100, 120)], (96, 128), (96, 128)),
        # The median, not the mean.
        ([(64, 64), (64, 96), (4000, 4000)], (64, 96), (64, 96)),
        ([(1024, 2048)], (256, 512), (256, 256)),
        ([(520, 100)], (512, 96), (256, 96)),
        ([(3, 5)], (16, 16), (16, 16)),
        ([(2000, 20)], (512, 16), (256, 16)),
    ],
)
def test_the_derived_size(sizes, resized, tiled):
    assert derive_size(items(*sizes), fit="resize") == resized
    assert derive_size(items(*sizes), fit="tile") == tiled
