"""What an approach is made of (paper sections 2.3 and 2.4); what a labeller does is in ``labelling``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from incmask.base.errors import fail

if TYPE_CHECKING:
    from incmask.base.config import Settings
    from incmask.method.labelling import Labelled, Unlabelled


@dataclass(frozen=True)
class Labeller:
    """How teachers make pseudo-labels: a value that is asked. Another way is another class of this kind.

    One of your own has to be where worker processes can import it from, and its fields say all that it depends on.
    """

    @property
    def settings(self) -> frozenset[str]:
        """Settings that make a difference to it, beside those of the training; by ``detail_px`` its labels coarsen."""
        return frozenset()

    @property
    def rates(self) -> bool:
        """Whether it rates its labels by EvalNets: those that reach the threshold are used (section 2.4.5)."""
        return False

    @property
    def least_steps(self) -> float:
        """Share of the steps, 0 to 1, that all images with true masks would take, which an epoch has at least."""
        return 0.0

    def num_voters(self, settings: "Settings") -> int | None:
        """Tell how many of the kept teachers it asks, the best ones; None: all students of the generation before."""
        return None

    def label(self, unlabelled: "Unlabelled") -> "Labelled":
        """Label some images; called in worker processes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Vote(Labeller):
    """Pseudo-labels from votes.

    Attributes:
        teachers: the best ``num_members`` models vote, or the best one alone.
        views: each teacher votes once, or on ``num_views`` changed versions of the image (section 2.4.2).
        soft: mean probability where more than one class can be meant (multilabel, multiclass);
            a binary task always takes unanimity (paper section 2.2). False: unanimity for all.

    Examples:
        >>> Vote(teachers="best", views="several").views
        'several'
    """

    teachers: Literal["several", "best"] = "several"
    views: Literal["one", "several"] = "one"
    soft: bool = False

    @property
    def settings(self) -> frozenset[str]:
        """See ``Labeller.settings``."""
        of_teachers = ("num_members", "num_kept") if self.teachers == "several" else ()
        return frozenset((*of_teachers, *(("num_views",) if self.views == "several" else ()), "detail_px"))

    def num_voters(self, settings: "Settings") -> int:
        """Tell how many of the kept teachers vote."""
        return settings.num_members if self.teachers == "several" else 1

    def label(self, unlabelled: "Unlabelled") -> "Labelled":
        """Give the labels that come of the votes."""
        from incmask.method.labelling import label_by_vote

        return label_by_vote(unlabelled, with_views=self.views == "several", soft=self.soft)


@dataclass(frozen=True)
class BestCandidate(Labeller):
    """The best of all teachers' masks, by the EvalNets' rating, if that is high enough (section 2.4.5).

    Attributes:
        least_steps: an epoch has at least this share of the steps that all images with true masks would take.
    """

    least_steps: float = 1 / 3

    @property
    def settings(self) -> frozenset[str]:
        """See ``Labeller.settings``."""
        return frozenset({"quality_threshold"})

    @property
    def rates(self) -> bool:
        """See ``Labeller.rates``."""
        return True

    def label(self, unlabelled: "Unlabelled") -> "Labelled":
        """See ``Labeller.label``."""
        from incmask.method.labelling import best_candidates

        return best_candidates(unlabelled)


@dataclass(frozen=True)
class EvalNets:
    """Networks that rate a mask without knowing the true one (section 2.4.5).

    Attributes:
        examples_from: base recipes whose models' masks they learn from.
        blocked: learn from pairs with inconsistency masks, as they are to rate.
    """

    examples_from: tuple[str, ...]
    blocked: bool = False


@dataclass(frozen=True)
class Blocking:
    """What happens to pixels on which the members disagree (paper section 2.4.6).

    Attributes:
        image: they turn 0 in the image.
        label: they turn 0 in the label: background, or for multiclass the masked class.
        in_loss: they count in the loss; False leaves them out of it.
        fill: what stands in their place, in image and label: nothing; or what another image has there, a labelled one
            drawn at random or one of the pseudo-labelled ones that are least disputed. What is disputed there, too, is
            blocked.

    Examples:
        >>> Blocking(image=False, label=False, in_loss=False).fill
        'zero'
    """

    image: bool = True
    label: bool = True
    in_loss: bool = True
    fill: Literal["zero", "labelled", "certain"] = "zero"


@dataclass(frozen=True)
class Online:
    """Pseudo-labels that are made anew at each step of a training, and left in no file.

    Beside each network that learns stands its averaged copy, the running mean of its weights (Tarvainen & Valpola
    2017). At each step copies look at weakly changed unlabelled images: flipped and turned alone. What they say is the
    label of the same images, strongly changed, that the networks learn from (Sohn et al. 2020), some of them with a
    rectangle of another one (French et al. 2020). Half of a batch are labelled images.

    Students train side by side in teams of ``num_members`` whose copies look at the same images; where nobody but a
    network's own copy is asked, and no disagreement blocks anything, a team is one student.

    Attributes:
        voters: whose copy labels for a student: those of all its team, which vote; its own (mean teacher, FixMatch); or
            the next one's of the team (cross pseudo supervision, Chen et al. 2021).
        confidence: least probability of a label, 0 to 1; what is less certain stays out of the loss.
        cutmix: share of the unlabelled images that get a rectangle of another one, 0 to 1.

    Raises:
        IncmaskError: a number outside its range.

    Examples:
        >>> Online("own", confidence=0.95).cutmix
        0.5
    """

    voters: Literal["team", "own", "other"] = "team"
    confidence: float = 0.0
    cutmix: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (("confidence", self.confidence), ("cutmix", self.cutmix)):
            if not 0 <= value <= 1:
                raise fail(name, f"{value} is outside 0 to 1", "choose a value in this range")


@dataclass(frozen=True)
class Recipe:
    """One approach.

    Attributes:
        title: its name for people.
        labelled: the labelled part: as it is; as it is plus 9 augmented copies; or, for a benchmark, the
            unlabelled images too with their true masks. "strong" is the baseline to beat: augmented anew at each
            step, trained as the default preset trains and for as many steps as with all true masks.
        teachers: the recipe whose models label first; None: this is a base recipe without pseudo-labels.
        objective: students learn from labels; or from labels and from predicting the same for two views of an
            unlabelled image, beginning with the best teacher's weights (section 2.4.3); or, "online", from labels and
            pseudo-labels that are made at each step, with labelled images augmented as in the strong baseline.
        labeller: how teachers make pseudo-labels.
        online: who makes the pseudo-labels of each step, for that objective.
        blocking: what is done to disputed pixels; None: nothing.
        augment: pseudo-labelled images are augmented not at all or more strongly each generation.
        keep_plain: beside an augmented pseudo-labelled image, it is used as it is, too.
        width: networks keep their width or get wider each generation.
        copies: a pseudo-labelled pair is used once, or up to 5 times by its quality: as the EvalNets rate it, or
            as it is (section 3.8).
        evalnets: how they are trained where ``labeller`` or ``copies`` asks for them.

    Examples:
        >>> Recipe("two views", teachers="ldt", labeller=Vote(views="several"), blocking=Blocking()).needs_truth
        False
        >>> from dataclasses import replace
        >>> softer = replace(Recipe("voting", labeller=Vote()), title="softer", blocking=Blocking(in_loss=False))
        >>> softer.title
        'softer'
    """

    title: str
    labelled: Literal["plain", "augmented", "full", "strong"] = "plain"
    teachers: str | None = None
    objective: Literal["labels", "consistency", "online"] = "labels"
    labeller: Labeller | None = None
    online: Online = Online()
    blocking: Blocking | None = None
    augment: Literal["none", "growing"] = "none"
    keep_plain: bool = False
    width: Literal["fixed", "growing"] = "fixed"
    copies: Literal["one", "by_quality", "by_true_quality"] = "one"
    evalnets: EvalNets | None = None

    @property
    def needs_truth(self) -> bool:
        """Whether it takes the true masks of the unlabelled images."""
        return self.labelled == "full" or self.copies == "by_true_quality"

    @property
    def bases(self) -> tuple[str, ...]:
        """Base recipes whose models it starts from, teachers first; none for a base recipe."""
        others = self.evalnets.examples_from if self.evalnets else ()
        return tuple(dict.fromkeys((self.teachers, *others))) if self.teachers else ()

    @property
    def is_online(self) -> bool:
        """Whether pseudo-labels are made at each step of the students' training."""
        return self.objective == "online"

    @property
    def has_teams(self) -> bool:
        """Whether its students learn from each other's averaged copies, ``num_members`` in a team."""
        return self.is_online and (self.online.voters != "own" or self.blocking is not None)

    def depends_on(self, setting: str) -> bool:
        """Tell whether a setting makes a difference to it: those of every training do, and those of its parts."""
        labeller = self.labeller
        parts = {
            **dict.fromkeys(("blocking", "erode_px", "dilate_px"), self.blocking is not None),
            **dict.fromkeys(("admit", "max_blocked_share"), self.blocking is not None and labeller is not None),
            **dict.fromkeys(
                ("num_evalnets", "num_judges", "evalnet_width", "evalnet_head", "detection_loss"),
                self.evalnets is not None,
            ),
            **dict.fromkeys(_GENERATIONS, labeller is not None),
            **dict.fromkeys(_PSEUDO_LABELS, labeller is not None or self.is_online),
            "width_step": self.width == "growing",
            "consistency_strength": self.objective == "consistency",
            "quality_band": self.copies != "one",
            "num_students": self.teachers is not None,
            **dict.fromkeys(("num_kept", "num_views", "quality_threshold", "detail_px"), False),
            # EvalNets that rate are as many as members, unless num_judges says otherwise.
            "num_members": self.evalnets is not None or self.has_teams,
            **dict.fromkeys(labeller.settings if labeller else (), True),
        }
        return parts.get(setting, True)


_PSEUDO_LABELS = ("labelled_share", "start", "pseudo_weight", "ramp_fraction")
"""Settings that say how students learn from pseudo-labels, whenever these are made."""

_GENERATIONS = (
    "num_generations",
    "redraw_positions",
    "streams",
    "strong",
    "strong_from",
    "finetune_fraction",
    "curriculum",
    "cutmix",
)
"""Settings that matter where pseudo-labels are made before students learn from them."""
