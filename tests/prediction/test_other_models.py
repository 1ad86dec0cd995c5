import csv
import itertools
import json

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from incmask.prediction.other_models import look, write
from volume_scenes import write_nifti

SIZE = (9, 11)


def square(mask, row, column, side):
    """The part of an array within the square around a pixel."""
    reach = side // 2
    return mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]


def slow_masks(members, task, erode, dilate):
    """What ``masks/`` and ``inconsistent/`` hold, pixel by pixel, of (n, H, W), or (n, H, W, K) for multilabel."""
    layers = members if task == "multilabel" else members[..., None]
    height, width, num_layers = layers.shape[1:]
    pixels = list(itertools.product(range(height), range(width)))
    disputed = np.zeros((height, width, num_layers), bool)
    for row, column in pixels:
        for layer in range(num_layers):
            disputed[row, column, layer] = len({int(member[row, column, layer]) for member in layers}) > 1
    found = disputed.any(-1)
    eroded = found.copy()
    if erode > 1:
        for row, column in pixels:
            eroded[row, column] = square(found, row, column, erode).all()
    label = layers[0].astype(int)
    for row, column in pixels:
        for layer in range(num_layers):
            if not disputed[row, column, layer]:
                continue
            label[row, column, layer] = 0
            if eroded[row, column]:
                continue
            near = []
            for other_row, other_column in pixels:
                distance = max(abs(other_row - row), abs(other_column - column))
                if distance <= erode // 2:
                    agreed = not (found if task == "multiclass" else disputed[..., layer])[other_row, other_column]
                    near += [(distance, int(layers[0, other_row, other_column, layer]))] if agreed else []
            if task == "multiclass":
                label[row, column, layer] = min(near)[1]
            else:
                label[row, column, layer] = max(value for _, value in near) if near else 0
    widened = eroded.copy()
    if dilate > 1:
        for row, column in pixels:
            widened[row, column] = square(eroded, row, column, dilate).any()
    if task == "multiclass":
        label += 1
    label[widened] = 0
    return (label if task == "multilabel" else label[..., 0]), widened


def slow_share(members, task):
    """Share of members off the majority, of the most disputed class where they overlap."""
    layers = members if task == "multilabel" else members[..., None]
    share = np.zeros(layers.shape[1:])
    for place in np.ndindex(share.shape):
        votes = [int(member[place]) for member in layers]
        share[place] = 1 - max(votes.count(vote) for vote in votes) / len(votes)
    return share.max(-1)


def draw(task, num_members, seed):
    """Members of areas that overlap in the most part: (n, H, W), or (n, H, W, 2)."""
    rng = np.random.default_rng(seed)
    shape = (*SIZE, 2) if task == "multilabel" else SIZE
    coarse = rng.integers(0, 4 if task == "multiclass" else 2, (3, 4, *shape[2:]))
    base = coarse.repeat(3, 0).repeat(3, 1)[: SIZE[0], : SIZE[1]]
    members = []
    for number in range(num_members):
        member = np.roll(base, number, axis=1)
        flipped = rng.random(shape) < 0.03
        members.append(np.where(flipped, rng.integers(0, base.max() + 1, shape), member))
    return np.stack(members).astype(np.uint8)


def save(path, values):
    """Write as the ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    else:
        assert cv2.imwrite(str(path), values[..., ::-1] if values.ndim == 3 else values)


def save_members(folder, images, task):
    """Write ``images``, members of each by name, to a folder a model, and give the folders."""
    folders = [folder / f"model {number}" for number in range(len(next(iter(images.values()))))]
    for name, members in images.items():
        for model, member in zip(folders, members, strict=True):
            if task == "multilabel":
                for index, of in enumerate(("alive", "dead")):
                    save(model / of / f"{name}.png", member[..., index] * np.uint8(255))
            else:
                save(model / f"{name}.png", member * np.uint8(255 if task == "binary" else 1))
    return folders


def read(path):
    return np.asarray(Image.open(path))


def masks_of(out, name, task):
    if task == "multilabel":
        return np.stack([read(out / "masks" / of / f"{name}.png") // 255 for of in ("alive", "dead")], -1)
    mask = read(out / "masks" / f"{name}.png")
    return mask // 255 if task == "binary" else mask


def rows_of(out):
    with open(out / "summary.csv", newline="", encoding="utf-8") as handle:
        return {row["name"]: row for row in csv.DictReader(handle)}


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(("erode", "dilate"), [(0, 0), (3, 0), (0, 3), (3, 5), (5, 3)])
@pytest.mark.parametrize("num_members", [2, 3])
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_masks_are_those_of_a_loop_over_pixels(call, tmp_path, task, num_members, erode, dilate):
    images = {name: draw(task, num_members, seed) for seed, name in enumerate(["b", "plate 1/a"])}
    out = tmp_path / "out"
    folders = save_members(tmp_path, images, task)
    code, _, err = call("mask", *folders, "-o", out, "--task", task, "--erode", erode, "--dilate", dilate, "-q")
    assert (code, err) == (0, "")
    rows = rows_of(out)
    assert list(rows) == sorted(images)
    for name, members in images.items():
        label, inconsistent = slow_masks(members, task, erode, dilate)
        assert inconsistent.any() or erode
        np.testing.assert_array_equal(masks_of(out, name, task), label)
        np.testing.assert_array_equal(read(out / "inconsistent" / f"{name}.png"), inconsistent * 255)
        share = slow_share(members, task)
        np.testing.assert_array_equal(read(out / "disagreement" / f"{name}.png"), np.rint(share * 255))
        row = {key: value for key, value in rows[name].items() if key != "name"}
        assert float(row["inconsistent_fraction"]) == pytest.approx(inconsistent.mean(), abs=1e-6)
        assert float(row["disagreement"]) == pytest.approx(share.mean(), abs=1e-6)
        shares = {
            "binary": {"foreground": label == 1},
            "multilabel": {"alive": label[..., 0] == 1, "dead": label[..., -1] == 1},
            "multiclass": {f"class_{value}": label == value + 1 for value in (1, 2, 3)}
            | {"background": label == 1, "inconsistent": label == 0},
        }[task]
        assert {key for key in row if key.startswith("fraction/")} == {f"fraction/{of}" for of in shares}
        for of, where in shares.items():
            assert float(row[f"fraction/{of}"]) == pytest.approx(where.mean(), abs=1e-6)


PALETTE = [(0, 0, 0), (250, 10, 10), (10, 250, 10), (10, 10, 250)]


def spell(path, ids, how):
    """Write ids 0 to 3 in one of the ways of other programs; returns the file."""
    if how == "palette":
        image = Image.fromarray(ids)
        image.putpalette([value for colour in PALETTE for value in colour])
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path.with_suffix(".png"))
        return
    colours = np.array(PALETTE, np.uint8)[ids]
    values, ending = {
        "png": (ids, ".png"),
        "png 16": (ids.astype(np.uint16), ".png"),
        "png of three channels": (np.repeat(ids[..., None], 3, 2), ".png"),
        "bmp": (ids, ".bmp"),
        "tiff 8": (ids, ".tif"),
        "tiff 16": (ids.astype(np.uint16), ".tif"),
        "tiff 32": (ids.astype(np.int32), ".tif"),
        "tiff float": (ids.astype(np.float32), ".tif"),
        "npy 8": (ids, ".npy"),
        "npy 64": (ids.astype(np.int64), ".npy"),
        "npy float": (ids.astype(np.float64), ".npy"),
        "npy (1, H, W)": (ids[None], ".npy"),
        "npy (H, W, 1)": (ids[..., None], ".npy"),
        "colours png": (colours, ".png"),
        "colours tiff": (colours, ".tif"),
    }[how]
    save(path.with_suffix(ending), values)


IDS = [
    *("png", "png 16", "png of three channels", "bmp", "palette", "tiff 8", "tiff 16", "tiff 32", "tiff float"),
    *("npy 8", "npy 64", "npy float", "npy (1, H, W)", "npy (H, W, 1)"),
]
PAIRS = [*(("png", how) for how in IDS), ("npy 8", "tiff 16"), ("colours png", "colours tiff")]


@pytest.mark.parametrize("hows", [*PAIRS, ("palette", "colours png")])
def test_ids_may_be_spelt_in_any_way(call, tmp_path, hows):
    members = draw("multiclass", 2, 5)
    for number, how in enumerate(hows):
        spell(tmp_path / str(number) / "x", members[number], how)
    options = []
    if "colours png" in hows:
        # Without names, classes are in the order of their colours.
        names = zip(["ground", "a", "b", "c"], PALETTE, strict=True)
        options = ["--classes", ",".join(f"{name}=#{bytes(colour).hex()}" for name, colour in names)]
    code, told, err = call("mask", tmp_path / "0", tmp_path / "1", "-o", tmp_path / "out", "-q", *options)
    assert (code, err) == (0, "")
    assert "task: multiclass" in told
    label, inconsistent = slow_masks(members, "multiclass", 0, 0)
    assert 0 < inconsistent.mean() < 1
    np.testing.assert_array_equal(masks_of(tmp_path / "out", "x", "multiclass"), label)
    np.testing.assert_array_equal(read(tmp_path / "out" / "inconsistent" / "x.png"), inconsistent * 255)


def two_values(path, mask, how):
    """Write 0 and 1 in one of the ways of other programs."""
    red = np.where(mask[..., None] > 0, np.uint8([200, 0, 0]), np.uint8(0))
    values, ending = {
        "0 and 1": (mask, ".png"),
        "0 and 255": (mask * np.uint8(255), ".png"),
        "0 and 65535": (mask * np.uint16(65535), ".png"),
        "bool": (mask > 0, ".npy"),
        "1 bit": (mask > 0, ".tif"),
        "float": (mask * 1.0, ".npy"),
        "white": (np.repeat(mask[..., None] * np.uint8(255), 3, 2), ".png"),
        "red": (red, ".png"),
        "nothing at all": (mask * np.uint8(0), ".png"),
    }[how]
    save(path.with_suffix(ending), values)


@pytest.mark.parametrize("task", [[], ["--task", "binary"]])
@pytest.mark.parametrize(
    "hows",
    [
        *(("0 and 1", how) for how in ("0 and 255", "0 and 65535", "bool", "1 bit", "float", "white")),
        ("0 and 255", "nothing at all"),
        ("red", "red"),
        ("red", "nothing at all"),
    ],
)
def test_each_model_may_spell_the_foreground_in_its_own_way(call, tmp_path, hows, task):
    members = draw("binary", 2, 5)
    for number, how in enumerate(hows):
        two_values(tmp_path / str(number) / "x", members[number], how)
        members[number] *= how != "nothing at all"
    code, told, err = call("mask", tmp_path / "0", tmp_path / "1", "-o", tmp_path / "out", "-q", *task)
    assert (code, err) == (0, "")
    assert "task: binary: foreground" in told
    label, inconsistent = slow_masks(members, "binary", 0, 0)
    np.testing.assert_array_equal(masks_of(tmp_path / "out", "x", "binary"), label)
    np.testing.assert_array_equal(read(tmp_path / "out" / "inconsistent" / "x.png"), inconsistent * 255)


@pytest.mark.parametrize("ending", [".npy", ".tif"])
def test_probabilities_are_foreground_above_the_threshold(call, tmp_path, ending):
    first = np.float32([[0.0, 0.5, 0.51, 1.0], [0.2, 0.7, 0.71, 0.69]])
    second = np.float32([[0, 1, 1, 1], [0, 1, 1, 1]])
    save(tmp_path / "a" / f"x{ending}", first)
    save(tmp_path / "b" / "x.png", second.astype(np.uint8))
    for threshold, expected in ((0.5, [[0, 255, 0, 0], [0, 0, 0, 0]]), (0.7, [[0, 255, 255, 0], [0, 255, 0, 255]])):
        out = tmp_path / f"out {threshold}"
        code, _, err = call("mask", tmp_path / "a", tmp_path / "b", "-o", out, "-q", "--threshold", threshold)
        assert (code, err) == (0, "")
        # 0.7 as a 32-bit number is below 0.7.
        np.testing.assert_array_equal(read(out / "inconsistent" / "x.png"), expected)


@pytest.mark.parametrize(
    ("dtype", "channels", "ending"),
    [
        (np.uint8, 3, ".png"),
        (np.uint8, 1, ".png"),
        (np.uint16, 1, ".tif"),
        (np.float32, 1, ".tif"),
        (np.uint8, 5, ".tif"),
    ],
)
def test_blocked_images_keep_their_type(call, tmp_path, dtype, channels, ending):
    rng = np.random.default_rng(3)
    members = draw("binary", 2, 5)
    folders = save_members(tmp_path, {"p/x": members}, "binary")
    image = rng.integers(1, 200, (*SIZE, channels)).astype(dtype)
    source = tmp_path / "images" / "p" / "x.tif"
    source.parent.mkdir(parents=True)
    plane = image[..., 0] if channels == 1 else image
    tifffile.imwrite(
        source,
        plane,
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        metadata=None,
    )
    save(tmp_path / "images" / "other.png", np.zeros((4, 4), np.uint8))
    out = tmp_path / "out"
    code, told, err = call("mask", *folders, "-o", out, "-q", "--images", tmp_path / "images", "--dilate", "3")
    assert (code, err) == (0, "")
    assert "1 image is left alone, without predictions" in told
    _, inconsistent = slow_masks(members, "binary", 0, 3)
    path = out / "images" / "p" / f"x{ending}"
    written = read(path) if ending == ".png" else tifffile.imread(path)
    assert written.dtype == dtype
    np.testing.assert_array_equal(
        written, np.where(inconsistent if plane.ndim == 2 else inconsistent[..., None], 0, plane)
    )
    assert sorted(path.name for path in (out / "images").iterdir()) == ["p"]


def test_folders_of_classes_are_told_from_folders_of_images(call, tmp_path):
    images = {"x": draw("multilabel", 2, 1), "y": draw("multilabel", 2, 2)}
    folders = save_members(tmp_path / "models", images, "multilabel")
    code, _, err = call("mask", *folders, "-o", tmp_path / "out")
    assert code == 1
    assert "holds the same names in alive, dead, which may be classes, or parts of the images" in err
    assert "--task multilabel" in err
    for name in images:
        save(tmp_path / "images" / f"{name}.png", np.full(SIZE, 7, np.uint8))
    code, told, err = call("mask", *folders, "-o", tmp_path / "out", "--images", tmp_path / "images", "-q")
    assert (code, err) == (0, "")
    assert "task: multilabel: alive, dead" in told
    for name, members in images.items():
        label, inconsistent = slow_masks(members, "multilabel", 0, 0)
        np.testing.assert_array_equal(masks_of(tmp_path / "out", name, "multilabel"), label)
        np.testing.assert_array_equal(read(tmp_path / "out" / "images" / f"{name}.png"), np.where(inconsistent, 0, 7))
    # As parts of the images, each file is an image.
    code, told, err = call("mask", *folders, "-o", tmp_path / "parts", "-q", "--task", "binary", "--json")
    assert (code, err) == (0, "")
    assert json.loads(told)["images"] == 4
    assert (tmp_path / "parts" / "masks" / "alive" / "x.png").is_file()


def test_a_class_that_a_model_did_not_find_is_empty(call, tmp_path):
    members = draw("multilabel", 2, 1)
    members[1, ..., 1] = 0
    folders = save_members(tmp_path, {"x": members, "y": members}, "multilabel")
    (folders[1] / "dead" / "x.png").unlink()
    code, told, err = call("mask", *folders, "-o", tmp_path / "out", "--task", "multilabel", "-q")
    assert (code, err) == (0, "")
    assert "note: " in told
    assert "1 file is missing of a class and taken as empty" in told
    for name in ("x", "y"):
        label, _ = slow_masks(members, "multilabel", 0, 0)
        np.testing.assert_array_equal(masks_of(tmp_path / "out", name, "multilabel"), label)


def test_objects_that_models_number_are_asked_about(call, tmp_path):
    members = np.zeros((2, 9, 24), np.uint8)
    for number in range(3):
        members[:, 2:7, 1 + 8 * number : 6 + 8 * number] = number + 1
    fewer = np.where(members > 2, 0, members)
    folders = save_members(tmp_path, {"x": members, "y": fewer}, "multiclass")
    code, _, err = call("mask", *folders, "-o", tmp_path / "out", "-q")
    assert code == 1
    assert "numbers of objects, or classes; save objects as 0 and 1, or give --task multiclass" in err
    code, _, err = call("mask", *folders, "-o", tmp_path / "out", "-q", "--task", "multiclass")
    assert (code, err) == (0, "")


def test_names_of_classes_stand_in_the_table(call, tmp_path):
    members = draw("multiclass", 2, 5)
    members[members == 3] = 255
    folders = save_members(tmp_path, {"x": members}, "multiclass")
    code, _, err = call("mask", *folders, "-o", tmp_path / "out", "-q")
    assert code == 1
    assert f"hold 255 ({folders[0]}) beside the values 1, 2: it may be a class, or mark pixels without one" in err
    words = ["--classes", "cell=1, edge=255,debris=2,ground=0"]
    code, told, err = call("mask", *folders, "-o", tmp_path / "out", "--json", *words)
    assert (code, err) == (0, "")
    told = json.loads(told)
    assert (told["task"], told["images"], told["models"]) == ("multiclass", 1, 2)
    assert told["classes"] == ["inconsistent", "cell", "edge", "debris", "ground"]
    agreed = members[0] == members[1]
    for index, value in enumerate((1, 255, 2, 0), start=1):
        mask = masks_of(tmp_path / "out", "x", "multiclass") == index
        np.testing.assert_array_equal(mask, agreed & (members[0] == value))
    assert told["inconsistent_fraction"] == pytest.approx((~agreed).mean())
    record = json.loads((tmp_path / "out" / "mask.json").read_text())
    assert [(each["id"], each["name"], each["value"]) for each in record["classes"]] == [
        (0, "inconsistent", None), (1, "cell", 1), (2, "edge", 255), (3, "debris", 2), (4, "ground", 0)
    ]  # fmt: skip


@pytest.fixture
def models(tmp_path):
    """Folders a and b with binary labels of x and y, and the images; tests change them."""
    for model in ("a", "b"):
        for name in ("x", "y"):
            save(tmp_path / model / f"{name}.png", np.uint8([[0, 255, 255], [0, 0, 255]]))
    for name in ("x", "y"):
        save(tmp_path / "images" / f"{name}.png", np.full((2, 3), 9, np.uint8))
    return tmp_path


def png(values):
    return lambda path: save(path, np.array(values))


def broken(path):
    path.write_bytes(path.read_bytes()[:40] if path.exists() else b"nothing")


def gone(path):
    path.unlink()


NOISE = np.arange(200, dtype=np.uint8).reshape(10, 20)


@pytest.mark.parametrize(
    ("file", "change", "words", "told"),
    [
        ("", None, ["a"], ["a: is one model, expected two or more", "for each model"]),
        ("", None, ["a", "nowhere"], ["nowhere: is not there", "name the folder"]),
        ("", None, ["a", "a/x.png"], ["x.png: is a file; a folder is expected"]),
        ("", None, ["a", "a"], ["a: is named twice"]),
        ("", None, ["a", "b", "--images", "b"], ["b: is named twice"]),
        ("", None, ["a", "b", "-o", "a"], ["a: lies in a", "-o"]),
        ("", None, ["a", "b", "-o", "a/out"], ["a/out: lies in a"]),
        ("", None, ["a", "b", "-o", "."], [".: lies in a, or the other way round"]),
        ("", None, ["a", "b", "-o", "a/x.png"], ["a/x.png: lies in a"]),
        ("", None, ["a", "b", "--erode", "2"], ["--erode: kernel side is 2", "use 1 or 3"]),
        ("", None, ["a", "b", "--dilate", "-1"], ["--dilate: kernel side is -1"]),
        ("", None, ["a", "b", "--classes", "a,a"], ["--classes: has a name twice"]),
        ("", None, ["a", "b", "--classes", "a=#12"], ["--classes: 'a=#12' is no class", "NAME=#RRGGBB"]),
        ("", None, ["a", "b", "--classes", "a=-1"], ["'a=-1' is no class"]),
        ("", None, ["a", "b", "--classes", ",a"], ["'' is no class"]),
        ("", None, ["a", "b", "--task", "binary", "--classes", "a,b,c"], ["names 3 classes, but the task is binary"]),
        ("", None, ["a", "b", "--classes", "cell=7"], ["a/x.png: has the values 255", "or name all classes"]),
        ("", None, ["a", "b", "--classes", "g,c,d"], ["has the values 255 outside the classes", "--classes"]),
        ("", None, ["a", "b", "--classes", "g=#000000,c=#ff0000,d=#00ff00"], ["(255, 255, 255) outside the classes"]),
        ("", None, ["a", "b", "--task", "multilabel"], ["2 files outside the folders of the classes (x.png, y.png)"]),
        ("b/y.png", gone, ["a", "b"], ["b: has no prediction for 1 of 2 images (y)", "add them"]),
        ("b/z.png", png([[0]]), ["a", "b"], ["a: has no prediction for 1 of 3 images (z)"]),
        ("b/y.tif", png([[0]]), ["a", "b"], ["b/y.tif: has the same name as y.png", "keep one"]),
        ("images/y.png", gone, ["a", "b", "--images", "images"], ["images: has no image for 1 of 2 predictions (y)"]),
        ("b/y.png", png(np.zeros((3, 2), np.uint8)), ["a", "b"], ["b/y.png: has 2×3 pixels, but a/y.png 3×2"]),
        (
            "images/y.png",
            png(np.zeros((4, 6), np.uint8)),
            ["a", "b", "--images", "images"],
            ["images/y.png: has 6×4 pixels, but a/y.png 3×2"],
        ),
        ("b/y.png", broken, ["a", "b"], ["b/y.png: is broken or truncated"]),
        ("images/y.png", broken, ["a", "b", "--images", "images"], ["images/y.png: is broken or truncated"]),
        ("b/y.png", png(np.uint8([[0, 128, 255], [0, 0, 0]])), ["a", "b"], ["hold 255 (a) beside the values 128"]),
        (
            "b/y.png",
            png(np.uint8([[0, 128, 255], [0, 0, 0]])),
            ["a", "b", "--task", "binary"],
            ["b: holds the values 0, 128, 255, where a binary label has 0 and one other", "--task multiclass"],
        ),
        (
            "b/y.png",
            png(np.uint8([[0, 1, 1], [0, 0, 0]])),
            ["a", "b"],
            ["predictions: hold 255 (a) beside the values 1:"],
        ),
    ],
)  # fmt: skip
def test_mistakes_end_with_a_line_and_no_folder(call, models, monkeypatch, file, change, words, told):
    monkeypatch.chdir(models)
    if change is not None:
        change(models / file)
    before = files_below(models)
    code, out, err = call("mask", *words, *([] if "-o" in words else ["-o", "out"]), "-q")
    assert (code, out) == (1, "")
    assert all(line.startswith("incmask: ") for line in err.splitlines())
    for part in told:
        assert part in err
    assert files_below(models) == before
    assert not (models / "out").exists()


@pytest.mark.parametrize(
    ("first", "second", "words", "told"),
    [
        (("x.png", np.uint8([[0, 2]])), ("x.png", np.uint8([[0, 2]])), [], "a holds 2 beside 0: the"),
        (("x.png", np.uint8([[0, 1]])), ("x.png", np.uint8([[0, 2]])), [], "a holds 1 and b holds 2 beside 0"),
        (("x.npy", np.float32([[0, 0.3]])), ("x.png", np.uint8([[0, 1]])), [], "a/x.npy: has fractions from 0 to 0.3"),
        (("x.tif", np.float32([[0, 0.3]])), ("x.png", np.uint8([[0, 1]])), [], "give --threshold 0.5 if they are"),
        (("x.npy", np.float32([[0, 2]])), ("x.png", np.uint8([[0, 1]])), ["--threshold", "0.5"], "values from 0 to 2"),
        (("x.npy", np.float32([[0, np.nan]])), ("x.png", np.uint8([[0, 1]])), [], "has values that are NaN"),
        (("x.npy", np.int32([[0, -1]])), ("x.png", np.uint8([[0, 1]])), [], "has values from -1 to 0"),
        (("x.npy", np.int32([[0, 70000]])), ("x.png", np.uint8([[0, 1]])), [], "has values from 0 to 70000"),
        (("x.tif", np.int32([[0, 70000]])), ("x.png", np.uint8([[0, 1]])), [], "has values from 0 to 70000"),
        (("x.npy", np.zeros((3, 1, 2))), ("x.png", np.uint8([[0, 1]])), [], "has shape (3, 1, 2), expected (H, W)"),
        (("x.npy", np.zeros((0, 2))), ("x.png", np.uint8([[0, 1]])), [], "a/x.npy: has no pixels"),
        (("x.png", NOISE), ("x.png", NOISE), [], "a/x.png: has 200 values, which looks like JPEG noise"),
        (("x.npy", np.array([["a"]])), ("x.png", np.uint8([[0, 1]])), [], "a/x.npy: holds no numbers"),
        (
            ("x.png", np.uint8([[0, 1, 2]])),
            ("x.png", np.uint8([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]])),
            [],
            "a: holds ids, while other models have colours",
        ),
        (
            ("x.png", np.uint8([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]])),
            ("x.png", np.uint8([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]])),
            ["--classes", "a,b,c"],
            "--classes: names no colours, but the labels are in colours",
        ),
        (
            ("x.png", np.uint8([[[0, 0, 0], [255, 0, 0]]])),
            ("x.png", np.uint8([[[0, 0, 0], [0, 255, 0]]])),
            [],
            "a holds (255, 0, 0) and b holds (0, 255, 0) beside 0",
        ),
        (
            ("c/x.png", np.uint8([[0, 128, 255]])),
            ("c/x.png", np.uint8([[0, 0, 255]])),
            ["--task", "multilabel"],
            "a/c: holds the values 0, 128, 255, where a binary label has 0 and one other",
        ),
        (
            ("c/x.png", np.uint8([[0, 255]])),
            ("d/x.png", np.uint8([[0, 255]])),
            ["--task", "multilabel"],
            "a: has no folder for d, which other models have",
        ),
        (
            ("c/x.png", np.uint8([[0, 255]])),
            ("c/x.png", np.uint8([[0, 255]])),
            ["--task", "multilabel", "--classes", "cell"],
            "--classes: names cell, but the folders of classes are c",
        ),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_read_or_read_in_two_ways_are_refused(
    call, tmp_path, monkeypatch, first, second, words, told
):
    monkeypatch.chdir(tmp_path)
    for model, (name, values) in (("a", first), ("b", second)):
        save(tmp_path / model / name, values)
    code, out, err = call("mask", "a", "b", "-o", "out", "-q", *words)
    assert (code, out) == (1, "")
    assert told in err
    assert not (tmp_path / "out").exists()


def test_palettes_that_differ_are_ambiguous(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = np.uint8([[0, 1, 2, 2]])
    for model, colours in (("a", [0, 0, 0, 250, 0, 0, 0, 250, 0]), ("b", [0, 0, 0, 0, 250, 0, 250, 0, 0])):
        image = Image.fromarray(ids)
        image.putpalette(colours)
        (tmp_path / model).mkdir()
        image.save(tmp_path / model / "x.png")
    code, _, err = call("mask", "a", "b", "-o", "out", "-q")
    assert code == 1
    assert "are ids whose colours differ from model to model" in err
    for classes, disputed in (("g=0,a=1,b=2", [0, 0, 0, 0]), ("g=#000000,r=#fa0000,b=#00fa00", [0, 255, 255, 255])):
        code, _, err = call("mask", "a", "b", "-o", f"out {classes}", "-q", "--classes", classes)
        assert (code, err) == (0, "")
        assert read(tmp_path / f"out {classes}" / "inconsistent" / "x.png").tolist() == [disputed]


def test_an_output_folder_of_predict_is_told_from_a_folder_of_labels(call, models, monkeypatch):
    monkeypatch.chdir(models)
    for folder in ("masks", "inconsistent"):
        save(models / "p" / folder / "x.png", np.uint8([[0, 255]]))
    code, _, err = call("mask", "a", "p", "-o", "out")
    assert code == 1
    assert "p: holds more than labels: masks/ and inconsistent/; name p/masks" in err


def test_an_empty_folder_is_told(call, models, monkeypatch):
    monkeypatch.chdir(models)
    (models / "c").mkdir()
    (models / "c" / ".hidden.png").write_bytes(b"")
    code, _, err = call("mask", "a", "c", "-o", "out")
    assert code == 1
    assert "c: holds no label images (.png, " in err


def test_a_second_call_writes_anew_what_is_its_own_and_refuses_the_rest(call, models, monkeypatch):
    monkeypatch.chdir(models)
    words = ["mask", "a", "b", "-o", "out", "-q"]
    assert call(*words)[0] == 0
    save(models / "b" / "x.png", np.uint8([[255, 255, 255], [0, 0, 255]]))
    save(models / "a" / "z.png", np.uint8([[255]]))
    save(models / "b" / "z.png", np.uint8([[0]]))
    (models / "out" / "notes.txt").write_text("mine")
    assert call(*words)[0] == 0
    assert read(models / "out" / "inconsistent" / "x.png").tolist() == [[255, 0, 0], [0, 0, 0]]
    assert list(rows_of(models / "out")) == ["x", "y", "z"]
    assert (models / "out" / "notes.txt").read_text() == "mine"

    before = files_below(models / "out")
    for other, told in (
        (["mask", "a", "b", "-o", "out", "--erode", "3"], "holds masks of a call with other erode_px; choose"),
        (["mask", "b", "a", "-o", "out"], "with other predictions"),
        (["mask", "a", "b", "-o", "out", "--images", "images"], "images: has no image for 1 of 3"),
        (["mask", "a", "b", "-o", "out", "--classes", "cell"], "with other classes"),
        (["mask", "a", "b", "-o", "out", "--task", "multiclass"], "with other task, classes"),
    ):
        code, _, err = call(*other, "-q")
        assert code == 1
        assert told in err
    for model in ("a", "b"):
        (models / model / "z.png").unlink()
    code, _, err = call(*words)
    assert code == 1
    assert "out: holds masks of images that have no predictions now, such as z" in err
    assert files_below(models / "out") == before


def test_a_folder_of_other_things_is_left_alone(call, models, monkeypatch):
    monkeypatch.chdir(models)
    save(models / "out" / "masks" / "mine.png", np.uint8([[1]]))
    before = files_below(models)
    for out in ("out", "out/masks/mine.png"):
        code, _, err = call("mask", "a", "b", "-o", out)
        assert code == 1
        assert f"{out}: is there already and holds something else; choose another folder with -o" in err
    assert files_below(models) == before
    code, _, err = call("mask", "a", "b", "-o", "out/masks/mine.png/out")
    assert code == 1
    assert "cannot be written" in err


def test_a_call_that_was_stopped_leaves_no_table_and_can_be_made_again(call, models, monkeypatch):
    monkeypatch.chdir(models)
    words = ["mask", "a", "b", "-o", "out", "-q"]
    assert call(*words)[0] == 0
    whole = files_below(models / "out")
    with monkeypatch.context() as patch:
        patch.setattr(write, "block_label", stop)
        code, _, err = call(*words)
    assert (code, err) == (130, "incmask: stopped; the same command goes on from here\n")
    assert "summary.csv" not in files_below(models / "out")
    assert call(*words)[0] == 0
    assert files_below(models / "out") == whole


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_file_that_changes_meanwhile_is_told(call, models, monkeypatch):
    monkeypatch.chdir(models)
    looked = write.look_through

    def changing(found, **options):
        result = looked(found, **options)
        save(models / "b" / "y.png", np.uint8([[0, 7, 7], [0, 0, 7]]))
        return result

    monkeypatch.setattr(write, "look_through", changing)
    code, _, err = call("mask", "a", "b", "-o", "out", "-q")
    assert code == 1
    assert "b/y.png: was changed while it was read" in err
    assert not (models / "out" / "summary.csv").exists()


def test_results_come_in_the_order_of_the_items_whatever_the_cores(monkeypatch):
    amounts = []

    class Counting:
        def advance(self, amount):
            amounts.append(amount)

    for cores in (1, 3, 100):
        monkeypatch.setattr(look, "num_cores", lambda cores=cores: cores)
        assert look.in_threads(lambda value: value * value, range(20), Counting()) == [n * n for n in range(20)]
    assert len(amounts) == 60


def test_progress_is_shown_and_help_explains(call, models, monkeypatch):
    monkeypatch.chdir(models)
    code, told, err = call("mask", "a", "b", "-o", "out", "--images", "images")
    assert (code, "Traceback" in err) == (0, False)
    assert "2 images of 2 models, 0.0% of their pixels disputed: masks in out/masks, table in out/summary.csv" in told
    code, told, _ = call("mask", "--help")
    assert code == 0
    for option in ("--task", "--images", "--erode", "--dilate", "--classes", "--threshold", "--out"):
        assert option in told
    assert call("mask", "-o", "out")[0] == 2


def test_a_broken_array_is_told(call, models, monkeypatch):
    monkeypatch.chdir(models)
    for model in ("a", "b"):
        np.save(models / model / "z.npy", np.zeros((2, 3), np.uint8))
    broken(models / "b" / "z.npy")
    (models / "a" / "x.png").write_bytes(b"no image")
    code, _, err = call("mask", "a", "b", "-o", "out")
    assert code == 1
    assert "a/x.png: is no PNG, JPEG, BMP, GIF, WebP or TIFF image" in err
    assert "b/z.npy: is no array that can be read" in err
    assert "write it with numpy.save" in err


class Touches:
    """What a pickle may make a careless reader do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_nothing_in_an_array_is_run(call, models, monkeypatch, tmp_path):
    monkeypatch.chdir(models)
    for model in ("a", "b"):
        np.save(models / model / "z.npy", np.array([Touches(tmp_path / "run")], object), allow_pickle=True)
    code, _, err = call("mask", "a", "b", "-o", "out")
    assert code == 1
    assert "a/z.npy: is no array that can be read" in err
    assert not (tmp_path / "run").exists()


def test_colours_without_black_are_told(call, tmp_path):
    colours = np.uint8([[[9, 9, 90], [9, 9, 90], [200, 0, 0], [0, 200, 0]]])
    for model in ("a", "b"):
        save(tmp_path / model / "x.png", colours)
    code, told, err = call("mask", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", "-q")
    assert (code, err) == (0, "")
    assert "note: no pixel is black, so the commonest colour (9, 9, 90) is taken as background" in told
    assert "name the classes with --classes to have it otherwise" in told
    assert masks_of(tmp_path / "out", "x", "multiclass").tolist() == [[1, 1, 3, 2]]


def test_too_many_colours_are_refused_with_the_option_that_helps(call, tmp_path):
    colours = np.uint8([[red, green, 50] for red in range(8) for green in range(10)])
    for model in ("a", "b"):
        save(tmp_path / model / "x.png", colours[None, :40])
        save(tmp_path / model / "y.png", colours[None, 40:])
    code, _, err = call("mask", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out", "-q")
    assert code == 1
    assert "the masks hold 80 colours together" in err
    assert "name with --classes the classes" in err
    assert "incmask.toml" not in err


def test_arrays_that_are_too_large_are_refused_unread(call, models, monkeypatch):
    monkeypatch.chdir(models)
    monkeypatch.setattr("incmask.prediction.other_models.read.MAX_PIXELS", 5)
    for model in ("a", "b"):
        np.save(models / model / "z.npy", np.zeros((2, 3), np.uint8))
    code, _, err = call("mask", "a", "b", "-o", "out")
    assert code == 1
    assert "a/z.npy: has 6 pixels, more than the 0 million that are read; cut it into tiles" in err


def test_folders_of_volumes_are_told_as_such(tmp_path, call):
    for name in "ab":
        write_nifti(tmp_path / name / "scan.nii.gz", np.zeros((4, 5, 6), np.uint8), np.eye(4))
    code, _, told = call("mask", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "out")
    assert code == 1
    assert told.strip().splitlines() == [
        f"incmask: {tmp_path / 'a'}: holds volumes, such as scan.nii.gz, and `incmask mask` is for images; compare "
        "arrays in Python: incmask.inconsistency takes any number of axes"
    ]
    assert not (tmp_path / "out").exists()
