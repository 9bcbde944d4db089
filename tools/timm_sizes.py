"""Write ``cellcls/builtin/backbones/timm_sizes.json``: megabytes of the weight files the recipes ask for.

Counted from timm's own networks on the meta device (parameters and buffers, classifier included): nothing is
downloaded. Run it again when a recipe names another network::

    python tools/timm_sizes.py
"""

from __future__ import annotations

import json
from pathlib import Path

import timm
import torch

TARGET = Path(__file__).parent.parent / "cellcls" / "builtin" / "backbones" / "timm_sizes.json"
MODELS = (
    "tf_efficientnetv2_m.in1k",
    "tf_efficientnetv2_l.in1k",
    "tf_mobilenetv3_small_100.in1k",
    "tf_efficientnet_b0.in1k",
    "vgg16.tv_in1k",
    "convnext_base.fb_in22k_ft_in1k",
)


def megabytes(model: str) -> float:
    """Return the size of the file of ``model``'s weights in megabytes (10^6 bytes)."""
    with torch.device("meta"):
        network = timm.create_model(model)
    return round(sum(tensor.nbytes for tensor in network.state_dict().values()) / 1e6, 1)


if __name__ == "__main__":
    TARGET.write_text(json.dumps({model: megabytes(model) for model in MODELS}, indent=1) + "\n", encoding="utf-8")
