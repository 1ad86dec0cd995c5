"""Groups of our networks on a GPU: each layer, with ReLU, batch norm and all that is elementwise, in one kernel.

With few channels a convolution takes as long as its values take to be read and written, and the layers around it as
long again each time. Here values are read and written once for a convolution with its ReLU; a batch norm is taken in
by the next layer as it reads. Several networks run in one kernel, since each alone leaves much of a GPU idle in the
inner levels. Kernels are written in Triton, which comes with PyTorch for CUDA.
"""

import torch
from torch import nn

from incmask.nets.evalnet import EvalNet
from incmask.training.together.group import NetworkGroup
from incmask.training.together.kernels.graph import Recorded
from incmask.training.together.kernels.networks import FusedEvalNet, FusedUNet

__all__ = ["Recorded", "fuse"]


def fuse(group: NetworkGroup, dtype: torch.dtype) -> nn.Module:
    """Give a module that stands for ``group.network`` in training."""
    kind = FusedEvalNet if isinstance(group.members[0], EvalNet) else FusedUNet
    return kind(group.network, len(group.members), dtype)
