"""Drawings of a run's course; importing this needs no matplotlib, calling it does."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from incmask.experiment.record import HistoryRow, StageRecord
from incmask.insight.report.comparison_page.style import cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.run_page.training import GenerationFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_IN = (4.6, 3.2)
_MOST_CLASSES = 8
"""Lines that can still be told apart; the table has the other classes."""
_MOST_POINTS = 60
"""Of a curve; more are not seen and make the page large."""


def course_pictures(
    stages: Sequence[StageRecord],
    generations: Sequence[GenerationFacts],
    *,
    score_name: str,
    class_names: Sequence[str],
    labelled_fractions: Sequence[float],
) -> list[Drawing]:
    """Draw every student's score and loss over its steps, and the pseudo-labels' shares over generations.

    Args:
        stages: with histories; a colour each.
        generations: in order; without any there is nothing to draw of pseudo-labels.
        score_name: of the validation score.
        class_names: of the classes.
        labelled_fractions: share of each class in the labels, 0 to 1; empty where unknown.

    Raises:
        IncmaskError: matplotlib is not installed.
    """
    pictures = []
    if any(history for stage in stages for history in stage.histories):
        best = "; ".join(
            f"{stage.title} {min(scores):.3f} to {max(scores):.3f}"
            for stage in stages
            if (scores := [student.score for student in stage.students])
        )
        pictures = [
            _picture(
                partial(_draw_histories, stages, lambda row: row.validation_score, f"{score_name} on validation"),
                name="scores-by-step",
                title="Score of every student on validation",
                alt=f"{score_name} of every student over its training steps. Best of each: {best}.",
            ),
            _picture(
                partial(_draw_histories, stages, lambda row: row.training_loss, "training loss"),
                name="losses-by-step",
                title="Training loss of every student",
                alt="Training loss of every student over its training steps, a line each, by stage.",
            ),
        ]
    if not generations:
        return pictures
    disputed = ", ".join(f"{facts.inconsistent_fraction:.1%}" for facts in generations)
    pictures.append(
        _picture(
            partial(_draw_disputed, generations),
            name="disputed-by-generation",
            title="Disputed pixels of the pseudo-labels",
            alt=f"Share of disputed pixels of all unlabelled images, by generation: {disputed}.",
        )
    )
    shares = " ".join(
        f"{name}: "
        + (f"{labelled_fractions[index]:.1%} in the labels, " if labelled_fractions else "")
        + ", ".join(f"{facts.class_fractions[index]:.1%}" for facts in generations)
        + "."
        for index, name in enumerate(class_names[:_MOST_CLASSES])
    )
    pictures.append(
        _picture(
            partial(_draw_classes, generations, class_names, labelled_fractions),
            name="classes-by-generation",
            title="Classes in the pseudo-labels",
            alt=f"Share of each class in the pixels of the pseudo-labels, by generation. {shares}",
        )
    )
    return pictures


def _picture(draw: Callable[[], "Figure"], *, name: str, title: str, alt: str) -> Drawing:
    return to_picture(draw, name=name, title=title, alt=alt, themed=True)


def _new_axes() -> tuple["Figure", "Axes"]:
    figure = new_figure(width_in=_SIZE_IN[0], height_in=_SIZE_IN[1])
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _draw_histories(stages: Sequence[StageRecord], value: Callable[[HistoryRow], float], y_label: str) -> "Figure":
    figure, axes = _new_axes()
    for stage in stages:
        style = cycle_style(stage.generation)
        for place, history in enumerate(stage.histories):
            every = -(-len(history) // _MOST_POINTS) or 1
            # From the last one backwards, so that the end of the training is seen.
            rows = history[::-1][::every][::-1]
            axes.plot(
                [row.step for row in rows],
                [value(row) for row in rows],
                color=style.colour,
                linestyle=style.line,
                marker=style.marker,
                markersize=3,
                linewidth=1,
                label=None if place else stage.title,
            )
    axes.set_xlabel("training steps")
    axes.set_ylabel(y_label)
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _draw_disputed(generations: Sequence[GenerationFacts]) -> "Figure":
    figure, axes = _new_axes()
    style = cycle_style(1)
    numbers = [facts.generation for facts in generations]
    axes.plot(
        numbers,
        [100 * facts.inconsistent_fraction for facts in generations],
        color=style.colour,
        marker=style.marker,
    )
    axes.set_ylabel("disputed pixels, %")
    _finish(axes, numbers, [str(number) for number in numbers])
    return figure


def _draw_classes(
    generations: Sequence[GenerationFacts], class_names: Sequence[str], labelled_fractions: Sequence[float]
) -> "Figure":
    figure, axes = _new_axes()
    numbers, names = [facts.generation for facts in generations], [str(facts.generation) for facts in generations]
    if labelled_fractions:
        numbers, names = [0, *numbers], ["your labels", *names]
    for index, name in enumerate(class_names[:_MOST_CLASSES]):
        style = cycle_style(index)
        shares = [*labelled_fractions[index : index + 1], *(facts.class_fractions[index] for facts in generations)]
        axes.plot(
            numbers,
            [100 * share for share in shares],
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            label=name,
        )
    axes.set_ylabel("pixels of each class, %")
    _finish(axes, numbers, names)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _finish(axes: "Axes", numbers: Sequence[int], names: Sequence[str]) -> None:
    axes.set_xticks(numbers, names)
    axes.set_xlabel("generation")
    axes.margins(x=0.08)
    axes.set_ylim(0, 1.08 * max(axes.dataLim.ymax, 0.1))
