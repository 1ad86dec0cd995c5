"""What is said of folders in which no masks are found."""

import pytest

from incmask.data.folder.hints import hint_of

SUBJECTS = ("a1", "a2", "a3")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            [
                f"{case}/{name}"
                for case in SUBJECTS
                for name in ("ct.nii.gz", "organs/liver.nii.gz", "organs/kidney.nii.gz")
            ],
            "the masks of a1 lie in its folder organs, a file a class: put each volume into labelled/images, called as "
            "its folder, and its masks into labelled/masks/kidney and so on, called so, too",
        ),
        (
            [f"{case}/{case}-{name}.nii.gz" for case in SUBJECTS for name in ("t1", "t2", "seg")],
            "a1 holds 3 volumes: put one of them, or all joined along a fourth axis, which are read as channels, into "
            "labelled/images, and the mask into labelled/masks, both called as the folder",
        ),
        (
            [f"{case}.nii.gz" for case in SUBJECTS],
            "it holds volumes of NIfTI, which are read as they lie in images and masks, and not prepared",
        ),
        (["a.tar.gz"], "it holds packed files: unpack them"),
        (["a.png"], ""),
    ],
)
def test_it_is_what_the_names_tell(tmp_path, files, told):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert hint_of(tmp_path) == told
