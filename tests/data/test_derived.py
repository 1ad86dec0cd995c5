"""Pictures that were made of others beside them."""

from pathlib import PurePosixPath

import pytest

from incmask.data.folder.derived import images_alone, without_derived


def files(*names: str) -> dict[PurePosixPath, str]:
    return {PurePosixPath(name): name for name in names}


def test_what_programs_make_counts_only_beside_its_image() -> None:
    given = files("a.tif", "a_flows.tif", "b/a_flows.tif", "flows.tif", "c_overlay.png", "a_seg.npy", "a_pred.txt")
    found, notes = without_derived(given)
    assert [*found.values()] == ["a.tif", "b/a_flows.tif", "flows.tif", "c_overlay.png", "a_seg.npy", "a_pred.txt"]
    assert notes == ("left out, as made by programs of the images beside them: 1 file, such as a_flows.tif",)
    assert without_derived(files("a.tif", "b_flows.tif"))[1] == ()


@pytest.mark.parametrize(
    ("given", "images"),
    [
        (("a.png", "a_mask.png", "b_mask.png"), {"a.png", "b_mask.png"}),
        (("images/a.png", "masks/a.png", "labels/plate/a.png"), {"images/a.png"}),
        (("masks/a.png", "labels/b.png"), {"masks/a.png", "labels/b.png"}),
        (
            ("JPEGImages/a.jpg", "SegmentationObject/a.png", "SegmentationClassVisualization/a.jpg"),
            {"JPEGImages/a.jpg"},
        ),
        (("imagesTs/a_0000.png", "labelsTr/b.png"), {"imagesTs/a_0000.png"}),
    ],
)
def test_masks_of_other_images_are_no_images(given: tuple[str, ...], images: set[str]) -> None:
    found, notes = images_alone(files(*given))
    assert {*found.values()} == images
    assert bool(notes) == (len(images) < len(given))
