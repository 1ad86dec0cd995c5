"""Every number of a run, and what single ones may be."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, StrictInt, field_validator

from incmask.base.bounds import GREATEST_WIDTH, LEAST_WIDTH, SMALLEST, UNET, WHY
from incmask.base.validation import ConfigSection

ClassTask = Literal["binary", "multilabel", "multiclass"]
"""binary: one sigmoid channel; multilabel: one a class, they may overlap; multiclass: exclusive ids."""

Task = Literal[ClassTask, "denoise", "depth"]
"""Or numbers: denoise, what an image or a signal is without its noise; depth, how far away each pixel is."""

Preset = Literal["default", "paper"]
Effort = Literal["quick", "normal", "paper"]
Device = Literal["auto", "cpu", "cuda", "mps"]

MeanOver = Literal["found", "true", "all"]
"""Classes that an image's mIoU averages: those in its truth or prediction, those in its truth, all."""

OnCollapse = Literal["keep-best", "stop", "ignore"]
"""What becomes of a run whose generation has collapsed: it ends with the best so far, or an error; or it goes on."""

MaskedAnswers = Literal["next_best", "wrong"]
"""What becomes of a pixel that networks call masked: their next best class counts, or it is wrong for every class."""

IGNORED = 255
"""Id of a pixel that losses and scores leave out, in every true label."""


class Settings(ConfigSection):
    """Every number of a run; each can stand in ``incmask.toml`` or come as ``--set name=value``."""

    whys: ClassVar[Mapping[str, str]] = WHY

    seed: int = Field(1, ge=0, le=2**63 - 1, description="seed of everything random")
    device: Device = Field("auto", description="where the networks run")
    num_workers: int = Field(0, ge=0, le=1024, description="students trained side by side on a CPU; 0: one a core")
    devices_per_network: int = Field(
        1, ge=1, le=64, description="GPUs, or processes of a CPU, that train a network together, each a part of a batch"
    )

    deterministic: bool = Field(
        False, description="a GPU computes the same bits each time, slower; a CPU does so whatever is chosen"
    )
    num_base: int = Field(10, ge=1, le=1000, description="models trained on the labelled images alone")
    num_students: int = Field(5, ge=1, le=1000, description="students of each generation")
    num_generations: int = Field(5, ge=1, le=1000, description="rounds of teachers labelling and students learning")
    num_kept: int = Field(4, ge=1, le=1000, description="best models that are kept as candidates for teaching")
    num_members: int = Field(2, ge=2, le=100, description="models whose votes make a pseudo-label")
    erode_px: int = Field(
        0, ge=0, le=1023, description="side of the square that thins the inconsistency mask; odd, 0: none"
    )
    dilate_px: int = Field(0, ge=0, le=1023, description="side of the square that widens it afterwards; odd, 0: none")
    detail_px: int = Field(
        0,
        ge=0,
        le=1023,
        description="side of the square whose details pseudo-labels lack, smaller as networks get wider; odd, 0: none",
    )
    blocking: Literal["recipe", "zero", "zero_ignore", "ignore", "labelled", "certain"] = Field(
        "recipe", description="what becomes of pixels that members disagree on, where the recipe blocks them"
    )
    max_blocked_share: float = Field(
        1.0, ge=0, le=1, description="of a class's pixels in an image; beyond it the surest keep the soft vote's label"
    )
    admit: Literal["confident_empty_too", "confident_all_tasks", "label_exceeds_mask", "all"] = Field(
        "confident_empty_too", description="which pseudo-labelled images are used: a rule of binary tasks, or of all"
    )

    labelled_share: float = Field(
        0.0, ge=0, lt=1, description="least share of labelled images in what students learn from; 0: each once"
    )
    redraw_positions: bool = Field(False, description="draw pseudo-labelled places of cells anew, as discs")
    streams: Literal["mixed", "two"] = Field(
        "mixed",
        description="two: labelled_share of every batch, or half, are labelled images, whose loss is averaged apart",
    )
    pseudo_weight: float = Field(
        1.0, ge=0, le=100, description="weight of pseudo-labelled images' loss, with two streams"
    )
    ramp_fraction: float = Field(0.2, ge=0, le=1, description="share of the steps in which that weight rises from 0")
    start: Literal["fresh", "teacher"] = Field(
        "fresh", description="students' first weights: new ones, or each another teacher's where networks are as wide"
    )
    strong: float = Field(0.0, ge=0, le=1, description="share of pseudo-labelled images that are changed most strongly")
    cutmix: float = Field(
        0.0, ge=0, le=1, description="share of pseudo-labelled images that get a rectangle of another one"
    )
    strong_from: float = Field(0.0, ge=0, le=1, description="share of the steps after which both begin")
    finetune_fraction: float = Field(0.0, ge=0, lt=1, description="last share of the steps, of labelled images alone")
    curriculum: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of a student's steps in whose first half no image is augmented, and then more and more",
    )
    on_collapse: OnCollapse = Field(
        "ignore",
        description="a generation whose labels lose a class, or that falls on validation: the run ends with the best "
        "so far (keep-best) or an error (stop), or goes on, as a comparison always does",
    )
    num_views: int = Field(3, ge=2, le=100, description="changed versions of an image that vote in an input ensemble")
    consistency_strength: Literal["low", "mid", "high"] = Field(
        "mid", description="how much the two views of the consistency loss differ"
    )
    num_evalnets: int = Field(
        5, ge=1, le=1000, description="networks trained to rate pseudo-labels, where a recipe asks for it"
    )
    num_judges: int = Field(
        0, ge=0, le=1000, description="best of them, whose mean rating counts; 0: as many as num_members"
    )
    evalnet_width: float = Field(0.0, ge=0, le=GREATEST_WIDTH, description="their width factor; 0: twice the networks'")
    evalnet_head: Literal["he_normal", "glorot_uniform"] = Field(
        "he_normal", description="how the weights of their last layer are drawn"
    )
    detection_loss: Literal["mse", "cross_entropy"] = Field(
        "mse", description="with which they learn whether a class is there; published code: cross_entropy"
    )
    quality_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        examples=[0.6],
        description="least rating of an accepted candidate; none: the profile's, or ALDT's score",
    )
    quality_band: tuple[float, float] | None = Field(
        None,
        strict=False,
        examples=[[0.5, 0.7]],
        description="ratings for 1 and for 5 copies; none: the profile's, or from the ratings",
    )

    # TOML has lists where Python has tuples.
    size: tuple[StrictInt, StrictInt] | None = Field(
        None,
        strict=False,
        examples=[[256, 256]],
        description="height and width of the network's input; none: from data",
    )
    fit: Literal["resize", "tile"] = Field("resize", description="bring images to size by scaling or by cutting tiles")
    width: float = Field(
        0.5, ge=LEAST_WIDTH, le=GREATEST_WIDTH, description="the networks' width factor (the paper's alpha)"
    )
    width_step: float = Field(
        0.25, ge=0, le=GREATEST_WIDTH, description="added to the width each generation where it grows"
    )

    net: str = Field(
        UNET,
        min_length=1,
        description="the networks: unet, or with a pretrained encoder: efficientnet-lite0, timm:NAME, smp:KIND/NAME",
    )
    encoder_weights: str = Field(
        "auto",
        min_length=1,
        description="what the encoder begins with; auto: its package's or the user's cache, none: new ones, or a file",
    )
    encoder_rate: float = Field(
        0.1, ge=0, le=1, description="the encoder's learning rate, as a share of learning_rate; 0: it stays as it is"
    )

    epochs: int = Field(
        20, ge=1, le=100_000, description="epochs a model; after each, or some, it is scored on validation"
    )
    validation_share: float = Field(
        0.1, gt=0, le=1, description="of a training's time, at most; 1: validation after every epoch"
    )
    steps_per_epoch: int = Field(
        50, ge=0, le=1_000_000, description="training steps an epoch; 0: one pass over the images"
    )
    batch_size: int = Field(16, ge=1, le=1_000_000_000, description="images a training step")
    learning_rate: float = Field(0.003, ge=SMALLEST, le=10, description="highest learning rate")
    schedule: Literal["warmup_cosine", "constant"] = Field("warmup_cosine", description="course of the learning rate")
    warmup_fraction: float = Field(0.05, ge=0, lt=1, description="share of the steps that the warm-up takes")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="share of each weight removed a step at the highest rate")
    epsilon: Literal["after_correction", "before_correction"] = Field(
        "after_correction",
        description="what keeps Adam from dividing by 0 is added after or, as in Keras, before it corrects",
    )
    batch_norm_momentum: float = Field(0.9, ge=0, lt=1, description="share of the running statistics kept a step")
    volume_norm: Literal["batch", "instance"] = Field(
        "instance", description="networks of volumes: statistics of the batch, as of images, or of each patch by itself"
    )
    average_decay: float = Field(0.98, ge=0, lt=1, description="decay of the averaged weights that are scored; 0: none")
    loss: Literal["auto", "mse", "cross_entropy", "cross_entropy_dice"] = Field(
        "cross_entropy_dice", description="auto: the paper's, mse or (multiclass) cross_entropy"
    )
    target_loss: Literal["huber", "l1", "l2"] = Field(
        "huber", description="of tasks whose targets are numbers: denoise, depth"
    )
    max_spread: float = Field(
        2.0,
        ge=0,
        le=1_000_000,
        description="of such tasks: the members' standard deviation, in spread_unit, beyond which a pixel is disputed",
    )
    spread_unit: Literal["image_mean", "range"] = Field(
        "image_mean", description="image_mean: the deviation's mean over the image; range: that of all labelled targets"
    )
    position_target: float = Field(
        1.0, ge=1, le=100, description="what mse asks for at places of cells; published code: 3"
    )
    augment: Literal["recipe", "everything"] = Field(
        "recipe", description="recipe: what the recipe augments; everything: labelled images too"
    )
    redraw: bool = Field(True, description="draw augmentations afresh at every step, or once")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 where it is fast")
    select_by: Literal["auto", "score", "loss"] = Field(
        "score",
        description="what chooses a model's epoch on validation; auto: the paper's, loss for multilabel, else score",
    )
    miou_classes: Literal["auto"] | MeanOver = Field(
        "found",
        description="classes in an image's mIoU; found: in its truth or prediction, true: in its truth, all; auto: the "
        "paper's, all for multilabel, true for multiclass",
    )
    empty_iou: Literal[0, 1] = Field(1, description="score of an image without the class in truth and prediction")
    masked_answers: MaskedAnswers = Field(
        "next_best",
        description="pixels that networks call masked (multiclass): the next best class is scored, or they are wrong",
    )

    @field_validator("*")
    @classmethod
    def _refuse_next_to_nothing(cls, value: Any) -> Any:
        if isinstance(value, float) and 0 < abs(value) < SMALLEST:
            raise ValueError(f"so little changes nothing; at least {SMALLEST:g}, or 0 for none")
        return value

    @property
    def networks(self) -> str:
        """Tell the networks to a person."""
        return f"width {self.width:g}" if self.net == UNET else self.net

    @property
    def unsaid(self) -> set[str]:
        """Name the settings that records leave out, since they make no difference or are said elsewhere."""
        others = ENCODER_SETTINGS if self.net == UNET else ("encoder_weights", *WIDTH_SETTINGS)
        defaults = type(self).model_fields
        rare = (*RARE_SETTINGS, *VALUE_SETTINGS)
        unchanged = [name for name in rare if getattr(self, name) == defaults[name].default]
        return {"num_workers", "size", "on_collapse", *others, *unchanged}

    @property
    def judging(self) -> int:
        """Count the EvalNets that rate together: unless ``num_judges`` says otherwise, as many as there are members."""
        return min(self.num_judges or self.num_members, self.num_evalnets)


ENCODER_SETTINGS = ("net", "encoder_weights", "encoder_rate")
"""Settings of networks on an encoder."""

WIDTH_SETTINGS = ("width", "width_step")
"""Settings of the U-Net, which those have not."""

VALUE_SETTINGS = ("target_loss", "max_spread", "spread_unit")
"""Settings of tasks whose targets are numbers."""

RARE_SETTINGS = ("deterministic", "devices_per_network", "curriculum", "detail_px")
"""Settings that records leave out where they are the default, as they do those of tasks of numbers."""
