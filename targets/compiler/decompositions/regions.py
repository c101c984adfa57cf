"""Regions of images, as torchvision's operators for detectors take them."""

from __future__ import annotations

import torch
from torch import Tensor

from blockfront.errors import RunError
from blockfront.targets.compiler.decompositions.registry import decomposes, is_known


@decomposes("torchvision.roi_align.default")
def _align(
    input: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Means of bilinear samples, which are products with a matrix for each axis (He et al., "Mask R-CNN", 2017)."""
    if input.shape[0] != 1:
        raise RunError("roi_align of several images is not supported: give one image")
    if sampling_ratio <= 0 and not is_known(rois):
        raise RunError("roi_align takes as many samples as a region is large: give sampling_ratio, such as 2")
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)

    def matrix(first: Tensor, last: Tensor, count: int, size: int) -> Tensor:
        """(regions, count, size): how much of each of `size` pixels is in each of `count` means."""
        extent = last - first if aligned else (last - first).clamp(min=1.0)
        step = (extent / count)[:, None, None]
        if sampling_ratio > 0:
            samples, most = torch.full_like(step, float(sampling_ratio)), sampling_ratio
        else:
            samples = step.ceil()
            most = int(samples.max())
        sample = torch.arange(most, dtype=torch.float32)
        taken = (sample < samples).to(input.dtype) / samples.clamp(min=1.0)
        place = first[:, None, None] + torch.arange(count)[:, None] * step + (sample + 0.5) * step / samples
        taken = taken * ((place >= -1) & (place <= size)).to(input.dtype)
        near = 1 - (place.clamp(0, size - 1).unsqueeze(-1) - torch.arange(size)).abs()
        return (near.clamp(min=0) * taken.unsqueeze(-1)).sum(-2)

    left, top, right, bottom = corners.unbind(1)
    rows = matrix(top, bottom, pooled_height, input.shape[2])
    columns = matrix(left, right, pooled_width, input.shape[3])
    return rows.unsqueeze(1) @ input @ columns.transpose(1, 2).unsqueeze(1)
