import itertools
import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from incmask.base.errors import IncmaskError
from incmask.insight.report.comparison_page import figures
from incmask.insight.report.comparison_page.plots_scores import CostPoint, draw_costs
from incmask.insight.report.comparison_page.rows import (
    EQUAL,
    OWN,
    DataFrequencyRow,
    FrequencyRow,
    ModelRow,
    PseudoRow,
    RunRow,
)
from incmask.insight.report.comparison_page.style import Style, cycle_style, styles_of
from incmask.insight.report.picture import to_picture
from incmask.insight.report.statistics import summarise
from incmask.method.recipes import RECIPES
from nightly import AT_NIGHT

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were written, in order."""
    found = []
    write = Figure.savefig

    def keep(figure, *args, **options):
        found.append(figure)
        write(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def model(
    recipe,
    generation,
    score,
    *,
    setting="",
    budget=OWN,
    repeat=1,
    student="1",
    chosen=True,
    split="test",
    details=None,
):
    return ModelRow(
        recipe=recipe,
        setting=setting,
        budget=budget,
        repeat=repeat,
        generation=generation,
        student=student,
        chosen=chosen,
        split=split,
        score=score,
        steps=10,
        images=10,
        seconds=1.0,
        flops=1e12,
        details={"miou": score} if details is None else details,
    )


def run(recipe, best_generation, flops, *, repeat=1, budget=OWN, setting=""):
    return RunRow(
        recipe=recipe,
        setting=setting,
        budget=budget,
        repeat=repeat,
        best_generation=best_generation,
        validation=0.5,
        seconds=1.0,
        student_flops=flops,
        total_flops=9e15,
        total_steps=100,
        evalnet_flops=0.0,
        num_parameters=1,
        flops_an_image=1.0,
    )


def pseudo(recipe, generation, masked, *, repeat=1, error=0.1, iou=0.8, used=True, budget=OWN):
    return PseudoRow(recipe, "", budget, repeat, generation, "a", used, int(used), masked, error, iou, None)


def frequency(recipe, generation, name, fraction, true=0.25, *, repeat=1, budget=OWN):
    return FrequencyRow(recipe, "", budget, repeat, generation, name, fraction, true)


def texts(picture):
    """What stands in a picture; it must be well-formed."""
    return {"".join(text.itertext()) for text in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")}


def values_of(axes):
    """Data of each line with markers or across, by its label."""
    handles, labels = axes.get_legend_handles_labels()
    lines = [handle[0] if isinstance(handle, tuple) else handle for handle in handles]
    return {label: (list(line.get_xdata()), list(line.get_ydata())) for label, line in zip(labels, lines, strict=True)}


SOME = [
    model("im", 0, 0.1),
    *(model("im", 1, score, repeat=repeat) for repeat, score in ((1, 0.5), (2, 0.7))),
    *(model("im", 2, score, repeat=repeat) for repeat, score in ((1, 0.625), (2, 0.625))),
    model("im", 1, 0.99, student="2", chosen=False),
    model("im", 1, 0.98, student="ensemble"),
    model("im", 1, 0.97, split="val"),
    model("ns", 1, 0.4),
    model("ldt", 0, 0.3),
    model("fdt", 0, 0.8),
    model("im", 1, 0.45, budget=EQUAL),
]


def test_scores_are_means_of_chosen_students_on_test(drawn):
    picture = figures.score_by_generation(SOME)
    (axes,) = drawn[0].axes
    assert values_of(axes) == {
        "FDT": ([0, 1], [0.8, 0.8]),
        "LDT": ([0, 1], [0.3, 0.3]),
        "NS": ([1], [0.4]),
        "IM": ([1, 2], [pytest.approx(0.6), 0.625]),
    }
    assert list(axes.get_xticks()) == [1, 2]
    assert {"IM", "NS", "FDT", "LDT", "mIoU", "generation", "1", "2"} <= texts(picture)
    assert picture.name == "score-by-generation-own"
    assert picture.title == "mIoU by generation"
    assert picture.alt == (
        "Mean mIoU on test images over 2 repeats, for each generation of NS, IM, with lines for FDT, LDT; "
        "best: IM with 0.625 in generation 2."
    )


@pytest.mark.usefixtures("drawn")
def test_the_score_without_positions_has_its_name():
    rows = [replace(row, details={"miou": 0.1, "miou_ad": row.score}) for row in SOME]
    assert figures.score_by_generation(rows).title == "mIoU_ad by generation"
    assert figures.score_by_generation(rows, metric="miou").title == "mIoU by generation"
    assert "mIoU_ad" in figures.score_by_cost(rows, [run("im", 1, 1e9)]).alt


def test_approaches_that_are_better_than_ldt_nowhere_are_left_out(drawn):
    rows = [
        model("ldt", 0, 0.5),
        model("aldt", 0, 0.4),
        *(model("im", generation, score) for generation, score in ((1, 0.4), (2, 0.51))),
        *(model("cl", 1, score, repeat=repeat) for repeat, score in ((1, 0.3), (2, 0.6))),  # 0.45 on the mean
        model("ie", 1, 0.5),  # as good is not better
        model("ns", 1, 0.9, split="val"),  # what validation says is not asked
        model("ns", 1, 0.1),
    ]
    picture = figures.score_by_generation(rows, above_ldt=True, with_error=True)
    assert values_of(drawn[0].axes[0]).keys() == {"ALDT", "LDT", "IM"}
    assert picture.name == "score-by-generation-own-above-ldt-error"
    assert picture.title == ("mIoU by generation with standard errors, approaches above LDT (left out: IE, CL, NS)")
    assert figures.never_above_ldt(rows) == ["IE", "CL", "NS"]
    figures.score_by_generation(rows)
    assert values_of(drawn[1].axes[0]).keys() == {"ALDT", "LDT", "IM", "IE", "CL", "NS"}
    # All are as they look where nothing is left out.
    lines = [{one.get_label(): one.lines[0].get_color() for one in figure.axes[0].containers} for figure in drawn]
    assert lines[0]["IM"] == lines[1]["IM"]
    # Nothing is left out where LDT was not scored, and nothing is drawn where all are.
    others = [row for row in rows if row.recipe != "ldt"]
    assert figures.never_above_ldt(others) == []
    assert figures.score_by_generation(others, above_ldt=True).title == "mIoU by generation, approaches above LDT"
    assert figures.score_by_generation([row for row in rows if row.recipe != "im"], above_ldt=True) is None


def test_fewer_errors_than_ldt_are_better():
    rows = [
        model(recipe, generation, 0.5, details={"miou": 0.5, "mcce": mcce})
        for recipe, generation, mcce in (("ldt", 0, 4.0), ("im", 1, 3.0), ("ie", 1, 9.0))
    ]
    assert figures.never_above_ldt(rows, metric="mcce") == ["IE"]


@pytest.mark.parametrize(("metric", "label"), [("dice", "Dice"), ("mpa", "mPA")])
def test_another_score_is_drawn_alike(drawn, metric, label):
    """Which approaches are above LDT depends on the score (figure A.4)."""
    rows = [
        model(recipe, generation, score, details={"miou": score, metric: other})
        for recipe, generation, score, other in (
            ("ldt", 0, 0.5, 0.6), ("im", 1, 0.6, 0.7), ("im", 2, 0.7, 0.8), ("ie", 1, 0.4, 0.65), ("cl", 1, 0.6, 0.5)
        )
    ]  # fmt: skip
    picture = figures.score_by_generation(rows, metric=metric, above_ldt=True)
    assert values_of(drawn[0].axes[0]) == {"LDT": ([0, 1], [0.6, 0.6]), "IM": ([1, 2], [0.7, 0.8]), "IE": ([1], [0.65])}
    assert picture.title == f"{label} by generation, approaches above LDT (left out: CL)"
    assert picture.name == f"{metric}-by-generation-own-above-ldt"


def test_a_picture_stands_alone_and_is_the_same_each_time():
    first, second = (figures.score_by_generation(SOME, with_error=True) for _ in range(2))
    assert first == second
    root = ElementTree.fromstring(first.svg)
    assert first.svg.startswith("<svg ")
    assert root.get("role") == "img"
    assert root.get("aria-label") == first.alt
    assert root.get("id") == first.name
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    references = [value for element in root.iter() for key, value in element.items() if key.endswith("href")]
    assert references
    assert all(value.removeprefix("#") in ids for value in references)
    assert "fill: #ffffff" in first.svg  # readable on a dark page


def test_two_pictures_of_one_page_share_no_id():
    pictures = figures.score_by_generation(SOME), figures.score_by_generation(SOME, budget=EQUAL)
    first, second = ({e.get("id") for e in ElementTree.fromstring(p.svg).iter()} - {None} for p in pictures)
    assert first
    assert not first & second


def test_equal_steps_take_the_benchmark_that_always_has_them(drawn):
    figures.score_by_generation(SOME, budget=EQUAL)
    found = values_of(drawn[0].axes[0])
    assert found.keys() == {"FDT", "IM"}  # LDT takes other steps
    assert found["IM"] == ([1], [0.45])


def test_errors_are_standard_errors_of_repeats(drawn):
    figures.score_by_generation(SOME, with_error=True)
    (axes,) = drawn[0].axes
    (bars,) = (one for one in axes.containers if one.get_label() == "IM")
    segments = bars.lines[2][0].get_segments()
    # 0.5 and 0.7 have the standard deviation sqrt(0.02), over sqrt(2).
    assert segments[0][:, 1] == pytest.approx([0.5, 0.7])
    assert segments[1][:, 1] == pytest.approx([0.625, 0.625])


def test_a_metric_may_be_lower_the_better_and_missing(drawn):
    rows = [
        model("im", 1, 0.5, details={"miou": 0.5, "mcce": 2.0}),
        model("im+", 1, 0.6, details={"miou": 0.6, "mcce": 1.0}),
        model("ie", 1, 0.6, details={"miou": 0.6, "mcce": 30.0}),
        model("cl", 1, 0.6, details={"miou": 0.6}),
        model("me", 1, 0.6, details={"miou": 0.6, "mcce": math.nan}),
        *(
            model(recipe, 0, 0.6, details={"miou": 0.6, "mcce": value})
            for recipe, value in (("ldt", 4.0), ("aldt", 3.0), ("fdt", 2.0))
        ),
    ]
    picture = figures.score_by_generation(rows, metric="mcce")
    assert picture.alt.endswith("best: IM+ with 1.000 in generation 1.")
    assert picture.title == "MCCE (lower is better) by generation"
    axes, *zooms = drawn[0].axes
    assert set(values_of(axes)) == {"FDT", "ALDT", "LDT", "IM", "IM+", "IE"}
    assert [zoom.get_ylim() for zoom in zooms] == [pytest.approx((1.7, 4.3)), pytest.approx((1.85, 3.15))]


def test_validation_is_shown_without_test_images():
    rows = [model("im", 1, 0.5, split="val", details={"iou": 0.5})]
    assert figures.score_by_generation(rows).alt == (
        "IoU on validation images, for each generation of IM; best: IM with 0.500 in generation 1."
    )


SWEPT = [
    model("im", generation, score, setting=setting, split=split)
    for setting, split, scores in (
        ("erode_px=0", "val", (0.5, 0.8)),
        ("erode_px=0", "test", (0.5, 0.6)),
        ("erode_px=3", "val", (0.6, 0.7)),
        ("erode_px=3", "test", (0.6, 0.9)),
    )
    for generation, score in enumerate(scores, 1)
]


def test_a_sweep_shows_the_best_setting_by_validation_bold(drawn):
    picture = figures.sweep([*SWEPT, model("im+", 1, 0.9)], recipe="im")
    assert {"erode_px=0", "erode_px=3"} <= texts(picture)
    assert picture.alt.endswith("bold, the best by validation: erode_px=0.")
    bars = {one.get_label(): one.lines[0] for one in drawn[0].axes[0].containers}
    bold, faded = bars["erode_px=0"], bars["erode_px=3"]
    assert list(bold.get_ydata()) == [0.5, 0.6]
    assert list(faded.get_ydata()) == [0.6, 0.9]
    assert bold.get_linewidth() > faded.get_linewidth()
    assert bold.get_alpha() > faded.get_alpha()
    assert bold.get_color() != faded.get_color()
    assert bold.get_marker() != faded.get_marker()


def test_a_sweep_by_errors_takes_the_lowest():
    rows = [
        model("im", 1, 0.5, setting=setting, split="val", details={"mcce": mcce})
        for setting, mcce in (("num_members=2", 3.0), ("num_members=3", 2.0))
    ]
    assert figures.sweep(rows, recipe="im", metric="mcce").alt.endswith("validation: num_members=3.")


def test_the_other_figures_take_the_best_setting(drawn):
    figures.score_by_generation(SWEPT)
    assert values_of(drawn[0].axes[0]) == {"IM": ([1, 2], [0.5, 0.6])}


def test_cost_is_of_the_best_generation_of_each_repeat(drawn):
    rows = [
        *(model("im+", generation, 0.1 * generation + 0.01 * repeat, repeat=repeat)
          for generation in (1, 2, 3) for repeat in (1, 2)),
        model("ldt", 0, 0.05),
        model("ns", 1, 0.5),
    ]  # fmt: skip
    runs = [
        run("im+", 2, 2e12),
        run("im+", 3, 4e12, repeat=2),
        run("ldt", 0, 1e12),
        run("ns", 1, 0.0),  # unknown cost
        run("cl", 1, 1e12),  # no scores
    ]
    picture = figures.score_by_cost(rows, runs)
    (axes,) = drawn[0].axes
    assert axes.get_xscale() == "log"
    points = [one.lines[0].get_xydata()[0] for one in axes.containers]
    assert np.array(points) == pytest.approx(np.array([[1e12, 0.05], [3e12, (0.21 + 0.32) / 2]]))
    assert {"LDT", "IM+ G2/3", "1×10¹²", "2×10¹²"} <= texts(picture)
    assert picture.alt.endswith("for 2 approaches; highest: IM+ G2/3 with 0.265 for 3.0e+12 FLOPs.")


def test_labels_of_crowded_points_stand_apart():
    points = [
        CostPoint(f"approach {index}", cycle_style(index), 1e12, summarise([score]))
        for index, score in enumerate([*np.linspace(0.5, 0.51, 12), 0.7])
    ]
    figure = draw_costs(points, y_label="mIoU")
    labels = [one for one in figure.axes[0].texts if isinstance(one, Annotation) and one.get_text()]
    assert [label.get_text() for label in labels] == [point.label for point in points]
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels]
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes, 2))


def test_predicted_and_true_quality_stand_side_by_side(drawn):
    rows = [
        model(recipe, generation, score)
        for recipe, scores in (("im++", (0.41, 0.45)), ("gt-im++", (0.42, 0.44)), ("im", (0.9, 0.9)))
        for generation, score in enumerate(scores, 1)
    ]
    picture = figures.predicted_against_true(rows)
    assert {"0.410", "0.450", "0.420", "0.440", "IM++", "GT-IM++"} <= texts(picture)
    assert picture.alt.endswith(": IM++ 0.410, 0.450; GT-IM++ 0.420, 0.440.")
    bars = [[bar.get_height() for bar in bars] for bars in drawn[0].axes[0].containers]
    assert bars == [[0.41, 0.45], [0.42, 0.44]]


FREQUENCIES = [
    frequency("im+", 1, "reef", 0.30),
    frequency("im+", 1, "reef", 0.32, repeat=2),
    frequency("im+", 1, "fish", 0.23),
    frequency("im+", 1, "inconsistency mask", 0.12, 0.0),
    frequency("im+", 2, "reef", 0.2498),
    frequency("im+", 2, "fish", 0.26),
    frequency("aim+", 1, "fish", 0.25),
    frequency("aim+", 1, "reef", 0.05, budget=EQUAL),
]


def test_frequencies_are_differences_in_percentage_points(drawn):
    picture = figures.class_frequencies(FREQUENCIES)
    panel, other = drawn[0].axes
    assert [each.get_title() for each in (panel, other)] == ["IM+", "AIM+"]
    # The sums: |6| + |-2|; |-0.02| + |1|; the mask is no class.
    assert [text.get_text() for text in panel.texts] == ["6.0", "0.0", "-2.0", "1.0", "12.0", "8.0", "1.0"]
    assert [text.get_text() for text in other.texts] == ["0.0", "0.0"]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["reef", "fish", "masked", "sum"]
    assert {"G1", "G2", "reef", "masked", "sum"} <= texts(picture)
    classes, _, mask = panel.collections
    assert np.asarray(classes.get_array()).reshape(2, 2) == pytest.approx(np.array([[6.0, -0.02], [-2.0, 1.0]]))
    assert mask.get_array().compressed() == pytest.approx([12.0])
    assert classes.get_clim() == pytest.approx((-6, 6)) == other.collections[0].get_clim()
    assert picture.name == "class-frequencies-own"
    assert picture.alt.endswith("first to last generation: IM+ 8.0 to 1.0; AIM+ 0.0.")


def test_frequencies_have_columns_of_all_and_of_the_labelled_true_masks(drawn):
    # In another order than the pseudo-labels' classes, and with one that no pseudo-label has.
    data = [
        DataFrequencyRow("fish", 0.20, 0.25),
        DataFrequencyRow("reef", 0.48, 0.45),
        DataFrequencyRow("sea", 0.3, 0.2),
    ]
    rows = [*FREQUENCIES, frequency("im+", 1, "sea", 0.25)]
    picture = figures.class_frequencies(rows, data)
    panel, *others = drawn[0].axes
    assert [each.get_title() for each in (panel, *others)] == ["true masks", "IM+", "AIM+"]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["FD", "LD"]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["reef", "fish", "sea", "masked", "sum"]
    differences, shares, mask = panel.collections
    # Percent of all, and percentage points from there to the labelled ones.
    assert shares.get_array().compressed() == pytest.approx([45, 25, 20])
    assert differences.get_array().compressed() == pytest.approx([3, -5, 10])
    assert mask.get_array().compressed().size == 0
    assert [text.get_text() for text in panel.texts] == ["3.0", "-5.0", "10.0", "45.0", "25.0", "20.0", "18.0"]
    assert differences.get_clim() == pytest.approx((-10, 10)) == others[0].collections[0].get_clim()
    assert "LD 18.0; IM+ 8.0 to 1.0" in picture.alt
    assert any("FD: percent" in text for text in texts(picture))


def test_each_budget_has_figures_of_its_own(drawn):
    """Names become ids of a page and names of files: none may be given twice."""
    rows = [pseudo("im", 1, 0.1), pseudo("im", 1, 0.3, budget=EQUAL)]
    drawings = [figures.class_frequencies(FREQUENCIES, budget=budget) for budget in (OWN, EQUAL)]
    drawings += [figures.mask_size_by_generation(rows, budget=budget) for budget in (OWN, EQUAL)]
    assert len({drawing.name for drawing in drawings}) == 4
    assert len({drawing.title for drawing in drawings}) == 4
    assert [axes.get_title() for axes in drawn[1].axes] == ["AIM+ (equal steps)"]
    assert [text.get_text() for text in drawn[1].axes[0].texts] == ["-20.0", "20.0"]
    masked = [figure.axes[0].containers[0].lines[0].get_ydata().tolist() for figure in drawn[2:]]
    assert masked == [pytest.approx([10]), pytest.approx([30])]


def test_many_panels_go_on_in_a_new_line(drawn):
    recipes = ("im", "im+", "im++", "aim+", "aim++")
    assert figures.class_frequencies([frequency(recipe, 1, "reef", 0.3) for recipe in recipes])
    assert [axes.get_title() for axes in drawn[0].axes] == ["IM", "IM+", "IM++", "AIM+", "AIM++"]


def test_mask_size_is_a_mean_over_images_then_repeats(drawn):
    rows = [
        pseudo("im", 2, 0.05),
        pseudo("im", 1, 0.1),
        pseudo("im", 1, 0.3, used=False),
        pseudo("im", 1, 0.4, repeat=2),
        pseudo("ns", 1, 0.0),
    ]
    picture = figures.mask_size_by_generation(rows)
    bars = {one.get_label(): one for one in drawn[0].axes[0].containers}
    assert bars.keys() == {"IM"}
    assert list(bars["IM"].lines[0].get_ydata()) == pytest.approx([30, 5])
    assert picture.alt.endswith("first to last: IM 30.0 to 5.0 %.")


def test_mask_size_is_correlated_with_error_and_iou(drawn):
    rows = [
        *(4 * [pseudo("im", 1, 0.1, error=0.01, iou=0.9), pseudo("im", 1, 0.2, error=0.02, iou=0.8)]),
        *(4 * [pseudo("im", 2, 0.3, error=0.03, iou=0.1)]),
        pseudo("im", 2, 1.0, error=math.nan, iou=math.nan),
        pseudo("im+", 1, 0.5, error=0.9),
    ]
    picture = figures.mask_size_against_error(rows, recipe="im")
    left, right = drawn[0].axes
    assert left.get_title() == "Pearson 1.00, Spearman 1.00"
    pearson = np.corrcoef([0.1, 0.2, 0.3], [0.9, 0.8, 0.1])[0, 1]
    assert right.get_title() == f"Pearson {pearson:.2f}, Spearman -1.00"
    assert np.asarray(left.collections[0].get_offsets()) == pytest.approx(np.array(4 * [[10, 1], [20, 2]]))
    assert np.asarray(right.collections[1].get_offsets())[0] == pytest.approx([30, 0.1])
    assert {"G1", "G2", left.get_title(), right.get_title()} <= texts(picture)
    assert figures.mask_size_against_error(rows, recipe="im", budget=EQUAL) is None


def test_a_constant_has_no_correlation(drawn):
    figures.mask_size_against_error([pseudo("im", 1, 0.1), pseudo("im", 1, 0.1)], recipe="im")
    assert drawn[0].axes[0].get_title() == "Pearson –, Spearman –"


def test_many_points_are_kept_as_pixels():
    rng = np.random.default_rng(0)
    points = rng.random((2500, 2))
    picture = figures.quality_scatter(*points.T, mae=0.3, pearson=0.0, spearman=0.0, title="net")
    (image,) = ElementTree.fromstring(picture.svg).iter(f"{SVG}image")
    assert image.get("{http://www.w3.org/1999/xlink}href").startswith("data:image/png;base64,")
    assert len(picture.svg) < 200_000


def test_predicted_quality_lies_over_true_quality(drawn):
    picture = figures.quality_scatter(
        [0.2, 0.9, math.nan], [0.1, 1.0, 0.5], mae=0.1, pearson=0.995, spearman=math.nan, title="EvalNet 2"
    )
    (axes,) = drawn[0].axes
    assert np.asarray(axes.collections[0].get_offsets()) == pytest.approx(np.array([[0.1, 0.2], [1.0, 0.9]]))
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true IoU", "predicted IoU")
    assert axes.get_title() == "mean absolute error 0.100, Pearson 0.99, Spearman –"
    assert (picture.name, picture.title) == ("quality-evalnet-2", "EvalNet 2")


def test_names_of_classes_are_taken_as_they_are():
    names = ("<a & b>", "$x^2$", 'quoted "one"', "细胞")
    picture = figures.class_frequencies([frequency("im", 1, name, 0.3) for name in names])
    assert set(names) <= texts(picture)


def test_a_users_matplotlib_settings_change_nothing():
    import matplotlib

    rows = [model("im", 1, 0.5)]
    expected = figures.score_by_generation(rows)
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20, "lines.marker": "x"}):
        assert figures.score_by_generation(rows) == expected
        assert matplotlib.rcParams["font.size"] == 20


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.score_by_generation([]),
        lambda: figures.score_by_generation([model("ldt", 0, 0.3)]),
        lambda: figures.score_by_generation(SOME, metric="mcce"),
        lambda: figures.sweep(SOME, recipe="im"),
        lambda: figures.sweep(SOME, recipe="im++"),
        lambda: figures.score_by_cost([], []),
        lambda: figures.score_by_cost(SOME, []),
        lambda: figures.predicted_against_true(SOME),
        lambda: figures.predicted_against_true([model("im++", 1, 0.5), model("gt-im++", 0, 0.5)]),
        lambda: figures.class_frequencies([]),
        lambda: figures.class_frequencies([frequency("im", 1, "inconsistency mask", 0.1, 0.0)]),
        lambda: figures.mask_size_by_generation([]),
        lambda: figures.mask_size_by_generation([pseudo("ns", 1, 0.0)]),
        lambda: figures.mask_size_against_error([], recipe="im"),
        lambda: figures.mask_size_against_error([pseudo("ns", 1, 0.0)], recipe="ns"),
        lambda: figures.quality_scatter([], [], mae=0.0, pearson=0.0, spearman=0.0, title="net"),
    ],
)
def test_without_data_there_is_no_figure(draw):
    assert draw() is None


def test_recipes_keep_their_looks_and_differ():
    looks = dict(zip(RECIPES, styles_of(list(RECIPES)), strict=True))
    assert len(set(looks.values())) == len(RECIPES)
    assert styles_of(["ns", "im"]) == [looks["ns"], looks["im"]]
    assert len({(style.colour, style.marker) for style in looks.values() if style.marker}) == 16


@given(st.lists(st.sampled_from(["im", "im+", "mine", "yours"]), min_size=1, max_size=42))
def test_whatever_is_drawn_together_differs(recipes):
    styles = styles_of(recipes)
    assert len({(style.colour, style.marker) for style in styles}) == len(recipes)
    assert all(isinstance(style, Style) for style in styles)


def test_without_matplotlib_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        IncmaskError, match=r"^the report: matplotlib is not installed; pip install 'incmask\[report\]'$"
    ):
        to_picture(lambda: None, name="a", title="b", alt="c")


@AT_NIGHT
def test_matplotlib_is_imported_when_drawing_and_never_its_global_state():
    code = """
import sys
from incmask.insight.report.comparison_page import figures
assert not [name for name in sys.modules if name.startswith("matplotlib")]
assert figures.quality_scatter([0.1], [0.2], mae=0.1, pearson=0.0, spearman=0.0, title="net")
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
