"""Situations in which the cause was seen and not told: formats that were not read, and folders without labels."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from of_values import NAMES, disc, folder, grey, labels, save
from PIL import Image
from situations import IN_COLOURS, MASKS, Outcome, Right, Told, Write, situation

from incmask.exchange.formats.masks.instances import layers_of


@situation()
def gif_masks(root: Path) -> Outcome:
    """As Carvana has them."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.png", grey(number))
        save(root / "labelled" / "masks" / f"{name}_mask.gif", disc(number) * 255)
    return Right(labels(), {"a0": grey(0)[..., None]}, within=0)


@situation()
def webp_images(root: Path) -> Outcome:
    """Images and masks without loss, in grey that the format stores as RGB."""
    for number, name in enumerate(NAMES):
        save(root / "labelled" / "images" / f"{name}.webp", grey(number), lossless=True)
        save(root / "labelled" / "masks" / f"{name}.webp", disc(number) * 255, lossless=True)
    return Right(labels(), {"a0": np.dstack([grey(0)] * 3)}, within=0)


@situation(*MASKS, python=IN_COLOURS)
def webp_masks_with_loss(root: Path) -> Mapping[str, Outcome]:
    """Masks of black and white whose values compression changed."""
    folder(root, mask=lambda path, number: save(path.with_suffix(".webp"), disc(number) * 255, quality=60))
    return dict.fromkeys(MASKS, Right(labels(), said=("the masks are blurred",)))


@situation()
def moving_gif(root: Path) -> Outcome:
    """An animation is refused by name."""
    folder(root)
    first, *others = [Image.fromarray(grey(number)) for number in range(3)]
    first.save(root / "labelled" / "images" / "a0.gif", save_all=True, append_images=others)
    (root / "labelled" / "images" / "a0.png").unlink()
    return Told(("a0.gif: has 3 pictures, which follow each other; save each as a file of its own",))


@situation(*MASKS, python=Told(("nothing is drawn",)))
def nothing_drawn(root: Path) -> Outcome:
    """A folder without a single object is not ready."""
    folder(root, mask=lambda path, number: save(path, disc(number) * 0))
    return Told(("nothing is drawn in any of their masks: all pixels are background; draw what is to be found",))


HINT = "`incmask prepare folder SRC DST` makes a data folder of them"


def foreign() -> Callable[[Write], Write]:
    """Enter annotations, which prepare reads, and of which check and run say so."""

    def enter(write: Write) -> Write:
        def all_of(root: Path) -> Mapping[str, Outcome]:
            outcome = write(root)
            return {"check": Told((HINT,)), "stack": Told((HINT,)), "prepare": outcome}

        all_of.__name__, all_of.__doc__, all_of.__module__ = write.__name__, write.__doc__, write.__module__
        situation(*MASKS)(all_of)
        return write

    return enter


SQUARE = [(8, 8), (40, 8), (40, 40), (8, 40)]


def square() -> np.ndarray:
    """Give the label that SQUARE draws on 64×64 pixels."""
    label = np.zeros((64, 64), np.uint8)
    label[8:40, 8:40] = 1
    return label


@situation(*MASKS)
def a_file_an_object(root: Path) -> Mapping[str, Outcome]:
    """DSB 2018 as it is downloaded."""
    labels = {}
    for number in range(3):
        above = root / "stage1_train" / f"h{number}"
        save(above / "images" / f"h{number}.png", grey(number))
        parts = disc(number), np.roll(disc(number), 25, 1)
        for index, part in enumerate(parts):
            save(above / "masks" / f"{number}{'ab'[index]}.png", part * 255)
        labels[f"h{number}"] = layers_of(parts[0] + 2 * parts[1].astype(int))
    told = Told(("each image has a folder with a mask for each object, as in DSB 2018", HINT))
    images = {"h0": grey(0)[..., None]}
    return {
        "check": told,
        "stack": told,
        "prepare": Right(labels, images, num_classes=3, within=0, said=("objects-binary",)),
    }


def _json(root: Path, content: object, *, encoding: str = "utf-8", name: str = "all") -> None:
    for number in range(2):
        save(root / f"a{number}.png", grey(number))
    (root / f"{name}.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))


@situation(*MASKS)
def via_polygons(root: Path) -> Mapping[str, Outcome]:
    """A JSON file of VGG Image Annotator."""
    x, y = zip(*SQUARE, strict=True)
    polygon = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    rect = {"name": "rect", "x": 8, "y": 8, "width": 32, "height": 32}
    entries = {
        f"a{number}.png123": {
            "filename": f"a{number}.png",
            "size": 123,
            "regions": [{"shape_attributes": shape, "region_attributes": {"kind": "cell"}}],
            "file_attributes": {},
        }
        for number, shape in enumerate((polygon, rect))
    }
    _json(root, {"_via_settings": {}, "_via_img_metadata": entries})
    told = Told(("if the .json files are annotations (labelme, COCO, VIA, Label Studio)", HINT))
    return {"check": told, "stack": told, "prepare": Right({"a0": square(), "a1": square()})}


@situation(*MASKS)
def yolo_polygons(root: Path) -> Mapping[str, Outcome]:
    """As Roboflow and ultralytics write them; an empty file is an image of background."""
    corners = " ".join(f"{value / 64:.6f}" for point in SQUARE for value in point)
    lines = {"train": ("0 " + corners, "1 " + corners), "val": ("", "0 " + corners)}
    labels = {}
    for part, texts in lines.items():
        for number, text in enumerate(texts):
            name = f"{part}{number}"
            save(root / "images" / part / f"{name}.png", grey(number + 5 * (part == "val")))
            path = root / "labels" / part / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            labels[name] = square() * (int(text[0]) + 1) if text else square() * 0
    (root / "data.yaml").write_text("train: images/train\nnames:\n  0: cell\n  1: 'big cell'\nnc: 2\n")
    parts = {"train0": "labelled", "train1": "labelled", "val0": "val", "val1": "val"}
    told = Told(("if the .txt files are polygons of YOLO", HINT))
    return {"check": told, "stack": told, "prepare": Right(labels, num_classes=3, parts=parts)}


@situation(*MASKS)
def labelme_in_another_encoding(root: Path) -> Mapping[str, Outcome]:
    """The encoding is the cause, and told."""
    shape = {"label": "\u7ec6\u80de", "points": SQUARE[:3], "shape_type": "polygon"}
    content = {"imagePath": "a0.png", "imageHeight": 64, "imageWidth": 64, "shapes": [shape]}
    _json(root, content, encoding="gbk")
    told = Told(("all.json: is no text in UTF-8 (byte", "save it in UTF-8"))
    return {"check": Told((HINT,)), "stack": Told((HINT,)), "prepare": told}


@foreign()
def json_cut_off(root: Path) -> Outcome:
    """A file that ends too early is told, and not that there are no masks."""
    _json(root, {})
    (root / "all.json").write_text('{"imagePath": "a0.png", "shapes": [{"la')
    return Told(("all.json: is no readable JSON file", "export it again"))


@situation(*MASKS)
def byte_order_mark(root: Path) -> Outcome:
    """Windows' editors put a mark before the text."""
    folder(root, mask=lambda path, number: save(path, disc(number) * 7))
    (root / "incmask.toml").write_text('[data]\ntask = "binary"\n', encoding="utf-8-sig")
    return Right(labels())


@situation("check")
def ignore_below_zero(root: Path) -> Outcome:
    """One line for one value, whatever kinds it may be of."""
    folder(root)
    (root / "incmask.toml").write_text("[data]\nignore = -1\n")
    return Told(("ignore = -1: should be greater than or equal to 0, or", "'none'; correct ignore"))


def _panoptic(root: Path, *, stuff: bool) -> Outcome:
    """Write pictures of segments: two of one category, one of another, beside images of the same name."""
    label = np.zeros((64, 64), np.uint8)
    label[4:20, 4:20], label[30:50, 4:20], label[4:50, 30:60] = 1, 1, 2
    numbers = np.zeros((64, 64), np.uint32)
    numbers[4:20, 4:20], numbers[30:50, 4:20], numbers[4:50, 30:60] = 3226956, 70000, 300
    segments = [{"id": 3226956, "category_id": 7}, {"id": 70000, "category_id": 7}, {"id": 300, "category_id": 9}]
    colours = np.dstack([numbers >> shift & 255 for shift in (0, 8, 16)]).astype(np.uint8)
    names = ("a0.png", "a1.png")
    for name in names:
        save(root / "panoptic_train" / name, colours)
    images = [{"id": name[1], "file_name": name, "height": 64, "width": 64} for name in names]
    notes = [{"image_id": int(name[1]), "file_name": name, "segments_info": segments} for name in names]
    categories = [{"id": 7, "name": "cell", "isthing": 1}, {"id": 9, "name": "tissue", "isthing": int(not stuff)}]
    _json(root, {"images": images, "annotations": notes, "categories": categories}, name="panoptic_train")
    right = np.where(label == 0, 255, label).astype(np.uint8) if stuff else label
    images_right = {"a0": grey(0)[..., None]}
    return Right({name[:2]: right for name in names}, images_right, num_classes=3, within=0)


@foreign()
def coco_panoptic(root: Path) -> Outcome:
    """Pictures in a folder with the name of the JSON file; what is in no segment has no label, as there is stuff."""
    return _panoptic(root, stuff=True)


@foreign()
def coco_panoptic_of_things(root: Path) -> Outcome:
    """Things alone: what is in no segment is background."""
    return _panoptic(root, stuff=False)


@foreign()
def coco_panoptic_without_pictures(root: Path) -> Outcome:
    """The JSON file alone."""
    _panoptic(root, stuff=True)
    shutil.rmtree(root / "panoptic_train")
    return Told(("lacks the picture a0.png", "put it beside the JSON file"))


def _areas(num: int = 2, **more: object) -> list[dict[str, object]]:
    flat = [float(value) for point in SQUARE for value in point]
    return [{"id": n, "image_id": n, "category_id": 1, "segmentation": [flat], **more} for n in range(num)]


def _coco(annotations: list[dict[str, object]], **image: object) -> dict[str, object]:
    images = [{"id": n, "file_name": f"a{n}.png", "height": 64, "width": 64, **image} for n in range(2)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


@foreign()
def coco_keypoints_beside_areas(root: Path) -> Outcome:
    """As COCO 2017 has them: the file of keypoints tells of the same images and, of persons, the same areas."""
    _json(root, _coco(_areas()), name="instances")
    (root / "person_keypoints.json").write_text(json.dumps(_coco(_areas(1, keypoints=[1, 2, 2]))))
    (root / "captions.json").write_text(json.dumps(_coco([{"id": 1, "image_id": 0, "caption": "a cell"}])))
    said = ("left alone", "person_keypoints.json", "captions.json")
    return Right({"a0": square(), "a1": square()}, said=said)


@foreign()
def coco_keypoints_with_areas(root: Path) -> Outcome:
    """Keypoints, whose areas are read; what is a point alone has none."""
    point = {"id": 9, "image_id": 0, "category_id": 1, "segmentation": [], "keypoints": [5, 5, 2]}
    _json(root, _coco([*_areas(keypoints=[1, 2, 2]), point]))
    return Right({"a0": square(), "a1": square()}, said=("1 annotations of keypoints alone are left out",))


@foreign()
def coco_without_categories(root: Path) -> Outcome:
    """What cuts out everything, such as SAM, tells of no category."""
    _json(root, _coco(_areas(category_id=None)) | {"categories": []})
    return Right({"a0": square(), "a1": square()})


@foreign()
def coco_with_a_null_category(root: Path) -> Outcome:
    """Where others have a category, one without is named."""
    _json(root, _coco([*_areas(), *({**each, "id": 7} for each in _areas(1, category_id=None))]))
    return Told(("annotation 7: has no category, while others have; give it one, or remove it",))


@foreign()
def coco_of_size_0(root: Path) -> Outcome:
    """Sizes that a tool did not know are those of the images."""
    _json(root, _coco(_areas(), height=0, width=None))
    return Right({"a0": square(), "a1": square()})


@foreign()
def coco_with_ids_as_text(root: Path) -> Outcome:
    """Ids that are text in one place and numbers in another."""
    _json(root, _coco(_areas(category_id="1")) | {"categories": [{"id": 1, "name": "cell"}]})
    return Right({"a0": square(), "a1": square()})


@foreign()
def coco_captions_alone(root: Path) -> Outcome:
    """Nothing is drawn, and the file that was left alone is named."""
    _json(root, _coco([{"id": 1, "image_id": 0, "caption": "a cell"}]))
    return Told(("holds no annotated areas of any class",))


@foreign()
def coco_captions_beside_polygons(root: Path) -> Outcome:
    """Captions tell nothing of areas, and spoil nothing."""
    images = [{"id": number, "file_name": f"a{number}.png", "height": 64, "width": 64} for number in range(2)]
    flat = [float(value) for point in SQUARE for value in point]
    areas = [{"id": number, "image_id": number, "category_id": 1, "segmentation": [flat]} for number in range(2)]
    _json(root, {"images": images, "annotations": areas, "categories": [{"id": 1, "name": "cell"}]})
    captions = {"images": images, "annotations": [{"id": 1, "image_id": 0, "caption": "a cell"}]}
    (root / "captions.json").write_text(json.dumps(captions))
    return Right({"a0": square(), "a1": square()})


@foreign()
def supervisely(root: Path) -> Outcome:
    """Named, with what to export instead."""
    _json(root, {"description": "", "size": {"height": 64, "width": 64}, "objects": []})
    return Told(("all.json: is of Supervisely, which is not read; export COCO or masks",))
