"""Parts: groups that stay together, shares, and a person's own table."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.exchange.formats.common import SourceImage
from incmask.exchange.formats.masks.instances import InstanceLabel
from incmask.exchange.prepare.parts import draw
from incmask.exchange.prepare.plan import PrepareOptions
from incmask.exchange.prepare.texts import split_text
from incmask.exchange.sources.archives import SourceFile
from own_data import parts_of, plan_of, write_image


def picture(name: str, *, labelled: bool = True) -> SourceImage:
    entry = SourceFile(Path(f"{name}.png"))
    return SourceImage(name, f"{name}.png", entry, InstanceLabel(entry, False) if labelled else None)


def test_without_groups_each_share_has_its_number() -> None:
    pictures = [picture(f"x{number}") for number in range(40)] + [picture("bare", labelled=False)]
    options = PrepareOptions(val_fraction=0.1, test_fraction=0.2, labelled_fraction=0.25)
    parts = draw(pictures, options).parts
    counts = {part: [*parts.values()].count(part) for part in ("labelled", "unlabelled", "val", "test")}
    # 28 of 40 remain for training; a quarter is 7, and 21 join the one without a label.
    assert counts == {"labelled": 7, "unlabelled": 22, "val": 4, "test": 8}
    assert draw(pictures[::-1], options).parts == parts, "whatever the order"
    assert draw(pictures, PrepareOptions(val_fraction=0.1, test_fraction=0.2, seed=1)).parts != parts


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.1, 0.4]),
    st.sampled_from([0.0, 0.1, 0.4]),
    st.sampled_from([0.3, 1.0]),
)
def test_a_group_is_in_training_or_val_or_test(
    images: list[tuple[int, bool]], val: float, test: float, labelled: float
) -> None:
    pictures = [
        picture(f"patient{group}/{number}", labelled=has_label) for number, (group, has_label) in enumerate(images)
    ]
    options = PrepareOptions(group=r"patient(\d+)", val_fraction=val, test_fraction=test, labelled_fraction=labelled)
    parts = draw(pictures, options).parts
    where: dict[str, set[str]] = {}
    for made in pictures:
        part = parts.get(made.name)
        group = made.name.partition("/")[0]
        if part is None:
            assert made.label is None
            continue
        assert part == "unlabelled" or made.label is not None
        side = part if part in ("val", "test") else "training"
        where.setdefault(group, set()).add(side)
        if made.label is not None:
            where.setdefault(f"labels of {group}", set()).add(part)
    assert all(len(sides) == 1 for sides in where.values())
    if any(has_label for _, has_label in images):
        assert "labelled" in parts.values()


def test_images_without_label_of_a_test_group_are_left_out() -> None:
    pictures = [picture(f"m{movie}_{frame}", labelled=frame == 0) for movie in range(4) for frame in range(5)]
    division = draw(pictures, PrepareOptions(group=r"^(m\d)", val_fraction=0, test_fraction=0.25))
    (tested,) = [name for name, part in division.parts.items() if part == "test"]
    assert len(division.parts) == 16
    assert [name for name in division.parts if name.startswith(tested[:2])] == [tested]
    assert any(note.startswith("4 images are left out: of val or test") for note in division.notes)


def test_large_groups_and_few_images() -> None:
    movies = [picture(f"m{movie}_{frame}") for movie in range(3) for frame in range(10)]
    parts = draw(movies, PrepareOptions(group="^m.")).parts  # the whole match is the group
    assert sorted([*parts.values()].count(part) for part in ("labelled", "val", "test")) == [10, 10, 10]
    few = draw([picture("a"), picture("b")], PrepareOptions())
    assert {*few.parts.values()} == {"labelled"}
    assert any("set aside for test" in note for note in few.notes)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (PrepareOptions(group="("), "is no regular expression"),
        (PrepareOptions(group=r"(\d+)"), "b: has no group"),
        (PrepareOptions(val_fraction=0.6, test_fraction=0.5), "leave nothing to learn from"),
        (PrepareOptions(val_fraction=-0.1), "0 to below 1 is expected"),
        (PrepareOptions(labelled_fraction=0), "above 0 to 1 is expected"),
    ],
)
def test_what_a_draw_cannot_do_is_told(options: PrepareOptions, told: str) -> None:
    with pytest.raises(IncmaskError, match=told):
        draw([picture("a1"), picture("b")], options)


@pytest.mark.parametrize("group", [None, "none"])
def test_names_tell_groups_unless_they_must_not(group: str | None) -> None:
    pictures = [picture(f"patient{number % 5}_slice_{number}") for number in range(20)]
    division = draw(pictures, PrepareOptions(group=group, val_fraction=0.2, test_fraction=0.2))
    shared = {
        part: {name[:8] for name, of in division.parts.items() if of == part} for part in ("labelled", "val", "test")
    }
    assert bool(shared["labelled"] & (shared["val"] | shared["test"])) == (group == "none")
    assert ("5 groups stay together: 1 in test, 1 in val" in division.notes) == (group is None)


def test_groups_are_written_down(tmp_path: Path) -> None:
    names = [f"g{number // 2} {number}th" for number in range(8)]
    for name in names:
        write_image(tmp_path / "images" / f"{name}.png", size=(1, 1))
        write_image(tmp_path / "masks" / f"{name}.png", 255, size=(1, 1))
    assert split_text(plan_of(tmp_path)) == "".join(["source,part\n", *(f"{name},labelled\n" for name in names)])
    assert split_text(plan_of(tmp_path, group=r"g\d")) == "".join(
        ["source,part,group\n", *(f"{name},labelled,{name[:2]}\n" for name in names)]
    )


def test_groups_of_a_table_are_kept(tmp_path: Path) -> None:
    write_set(tmp_path, "part,source,group\ntest,images/a.png,eve\nlabelled,b.png,\n")
    assert split_text(plan_of(tmp_path)) == ("source,part,group\na,test,eve\nb,labelled,b\nc,unlabelled,c\n")


def write_set(root: Path, table: str) -> None:
    for name in ("a", "b", "c"):
        write_image(root / "images" / f"{name}.png", size=(1, 1))
    for name in ("a", "b"):
        write_image(root / "masks" / f"{name}.png", 255, size=(1, 1))
    (root / "split.csv").write_text(table, encoding="utf-8")


def test_a_table_wins_over_the_draw(tmp_path: Path) -> None:
    write_set(tmp_path, "part,source\ntest,images/a.png\nlabelled,b.png\n")
    assert parts_of(plan_of(tmp_path, val_fraction=0.5)) == {"a": "test", "b": "labelled", "c": "unlabelled"}


def test_all_that_is_wrong_with_a_table_is_told(tmp_path: Path) -> None:
    write_set(tmp_path, "source,part\na,train\nz,val\nc,labelled\nc,val\n")
    with pytest.raises(IncmaskError) as caught:
        plan_of(tmp_path)
    told = str(caught.value)
    assert "row 2: names the part 'train'; use one of labelled, unlabelled, val, test" in told
    assert "row 3: names the image 'z', which is not there" in told
    assert "row 5: puts c into val and labelled" in told
    assert "puts c into labelled, but it has no label" in told
    assert "does not list b" in told
    write_set(tmp_path, "name,set\na,test\n")
    with pytest.raises(IncmaskError, match="has no columns source and part"):
        plan_of(tmp_path)
