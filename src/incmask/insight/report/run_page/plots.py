"""Drawings of a run's course; importing this needs no matplotlib, calling it does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from incmask.experiment.record.stages import HistoryRow, StageRecord
from incmask.insight.report.comparison_page.style import Style, cycle_style
from incmask.insight.report.picture import Drawing, new_figure, to_picture
from incmask.insight.report.run_page.training import GenerationFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CLASSES = 8
"""Lines that can still be told apart; the table has the other classes."""
_MOST_POINTS = 60
"""Of a curve; more are not seen and make the page large."""


@dataclass(frozen=True)
class _Line:
    """Values over steps or generations; without a label it is not in the legend."""

    style: Style
    xs: list[int]
    ys: list[float]
    label: str | None = None


Course = Literal["scores", "losses"]
"""What is drawn of trainings over their steps."""


def plot_course(axes: "Axes", stages: Sequence[StageRecord], what: Course, *, score_name: str) -> None:
    """Draw every student's score on validation, or training loss, over its steps: a colour a stage."""
    lines, y_label = _course(stages, what, score_name=score_name)
    _plot(axes, lines, y_label=y_label)
    axes.legend()


def _course(stages: Sequence[StageRecord], what: Course, *, score_name: str) -> tuple[list[_Line], str]:
    if what == "scores":
        return _histories(stages, lambda row: row.validation_score), f"{score_name} on validation"
    return _histories(stages, lambda row: row.training_loss), "training loss"


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
        class_names: of the classes; none where targets are numbers.
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
        scores_by_step, of_scores = _course(stages, "scores", score_name=score_name)
        losses_by_step, of_losses = _course(stages, "losses", score_name=score_name)
        pictures = [
            to_picture(
                partial(_draw, scores_by_step, y_label=of_scores),
                name="scores-by-step",
                title="Score of every student on validation",
                alt=f"{score_name} of every student over its training steps. Best of each: {best}.",
                themed=True,
            ),
            to_picture(
                partial(_draw, losses_by_step, y_label=of_losses),
                name="losses-by-step",
                title="Training loss of every student",
                alt="Training loss of every student over its training steps, a line each, by stage.",
                themed=True,
            ),
        ]
    if not generations:
        return pictures
    numbers = [facts.generation for facts in generations]
    disputed = [facts.inconsistent_fraction for facts in generations]
    of_disputed = _Line(Style(cycle_style(1).colour, cycle_style(1).marker, "-"), numbers, _in_percent(disputed))
    classes, told, ticks = [], [], {number: str(number) for number in numbers}
    all_ticks = {0: "your labels", **ticks} if labelled_fractions else ticks
    for index, name in enumerate(class_names[:_MOST_CLASSES]):
        in_labels = list(labelled_fractions[index : index + 1])
        shares = [facts.shares[index] for facts in generations]
        classes.append(_Line(cycle_style(index), list(all_ticks), _in_percent([*in_labels, *shares]), name))
        values = [*(f"{share:.1%} in the labels" for share in in_labels), *(f"{share:.1%}" for share in shares)]
        told.append(f"{name}: {', '.join(values)}.")
    pictures = [
        *pictures,
        to_picture(
            partial(_draw, [of_disputed], y_label="disputed pixels, %", generations=ticks),
            name="disputed-by-generation",
            title="Disputed pixels of the pseudo-labels",
            alt="Share of disputed pixels of all unlabelled images, by generation: "
            f"{', '.join(f'{share:.1%}' for share in disputed)}.",
            themed=True,
        ),
    ]
    if not class_names:
        return pictures
    return [
        *pictures,
        to_picture(
            partial(_draw, classes, y_label="pixels of each class, %", generations=all_ticks),
            name="classes-by-generation",
            title="Classes in the pseudo-labels",
            alt=f"Share of each class in all pixels of the pseudo-labels, by generation. {' '.join(told)}",
            themed=True,
        ),
    ]


def _histories(stages: Sequence[StageRecord], value: Callable[[HistoryRow], float]) -> list[_Line]:
    lines = []
    for stage in stages:
        for place, history in enumerate(stage.histories):
            every = -(-len(history) // _MOST_POINTS) or 1
            # From the last one backwards, so that the end of the training is seen.
            rows = history[::-1][::every][::-1]
            label = None if place else stage.title
            lines.append(
                _Line(cycle_style(stage.generation), [row.step for row in rows], [value(row) for row in rows], label)
            )
    return lines


def _in_percent(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]


def _draw(lines: Sequence[_Line], *, y_label: str, generations: Mapping[int, str] | None = None) -> "Figure":
    """Draw lines over training steps, or over generations, which have names."""
    figure = new_figure(width_in=4.6, height_in=3.2)
    _plot(figure.subplots(), lines, y_label=y_label, generations=generations)
    if any(line.label for line in lines):
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def _plot(axes: "Axes", lines: Sequence[_Line], *, y_label: str, generations: Mapping[int, str] | None = None) -> None:
    axes.grid(alpha=0.3)
    thin: dict[str, Any] = {} if generations else {"markersize": 3, "linewidth": 1}
    for line in lines:
        axes.plot(line.xs, line.ys, label=line.label, **line.style.look, **thin)
    axes.set_ylabel(y_label)
    if generations:
        axes.set_xticks(list(generations), list(generations.values()))
        axes.set_xlabel("generation")
        axes.margins(x=0.08)
        axes.set_ylim(0, 1.08 * max(axes.dataLim.ymax, 0.1))
    else:
        axes.set_xlabel("training steps")
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
