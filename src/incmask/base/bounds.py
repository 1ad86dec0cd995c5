"""Why a number that a person may choose has bounds: told with them where it is beyond."""

LEAST_WIDTH, GREATEST_WIDTH = 0.0625, 8
"""Factors of the paper's widths; a network of width 8 has 256 times as many weights as one of 0.5."""

SMALLEST = 1e-9
"""Of a number that is not whole and not 0: less of anything changes nothing, and may be lost in single precision."""

HIGHEST_SIDE_PX = 16_384

UNET = "unet"
"""The name of the networks that are trained from the start; all others stand on an encoder."""
STEP_PX, ENCODER_STEP_PX = 16, 32
"""What height and width of a network's input are multiples of: the U-Net's, and those on an encoder."""

_A_TRAINING = "each is a training of its own"
_SIDE_BY_SIDE = "all vote side by side, in memory"

WHY: dict[str, str] = {
    "seed": "no generator takes more",
    "num_workers": "each is a process of its own",
    "devices_per_network": "each gets some images of a batch, which has not many more",
    "num_base": _A_TRAINING,
    "num_students": _A_TRAINING,
    "num_generations": "each trains its students",
    "num_kept": "no more students are ever trained",
    "num_members": _SIDE_BY_SIDE,
    "erode_px": "a square wider than the image leaves nothing",
    "dilate_px": "a square wider than the image covers all of it",
    "detail_px": "a square wider than the image leaves one class in it",
    "pseudo_weight": "beyond it the labelled images are lost in the loss",
    "num_views": _SIDE_BY_SIDE,
    "num_evalnets": _A_TRAINING,
    "num_judges": "no more networks that rate are ever trained",
    "evalnet_width": "wider networks have more weights than memory holds",
    "width": "narrower layers have no channel left, wider networks more weights than memory holds",
    "width_step": "wider networks have more weights than memory holds",
    "epochs": "a model is scored after each, or after some",
    "steps_per_epoch": "nothing is scored or saved before an epoch ends",
    "batch_size": "a batch lies in memory as a whole",
    "learning_rate": "below it weights stay as they are, above it they are lost at the first step",
    "weight_decay": "it is a share of each weight",
    "max_spread": "beyond it nothing is ever disputed",
    "position_target": "beyond it all other pixels are lost in the loss",
}
"""By the name of the setting; shares have bounds that need no reason."""


def step_px(net: str) -> int:
    """Give what height and width of the input of networks are multiples of.

    Examples:
        >>> step_px("unet"), step_px("timm:resnet18")
        (16, 32)
    """
    return STEP_PX if net == UNET else ENCODER_STEP_PX
