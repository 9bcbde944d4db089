"""Write ``cellcls/builtin/backbones/keras_layers.json``: where the weights are among the nodes of Keras' networks.

Needs Keras 3 with any backend; nothing is downloaded::

    pip install keras && KERAS_BACKEND=torch python tools/keras_layers.py

For each network of timm, one digit a Keras node, in the order of ``model.layers``: the number of weight-bearing
modules it stands for. A layer that wraps others (the stem and the downsamplings of ConvNeXt) counts its inner ones.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

TARGET = Path(__file__).parent.parent / "cellcls" / "builtin" / "backbones" / "keras_layers.json"
NETWORKS = {
    "tf_efficientnetv2_m": "EfficientNetV2M",
    "tf_efficientnetv2_l": "EfficientNetV2L",
    "convnext_base": "ConvNeXtBase",
    "tf_mobilenetv3_small_100": "MobileNetV3Small",
    "tf_efficientnet_b0": "EfficientNetB0",
    "vgg16": "VGG16",
}
"""Name in timm -> name in ``keras.applications``."""


def weight_bearing(layer: Any) -> int:
    """Count the weight-bearing layers in one node of the graph. Keras' ``Normalization`` holds the input's mean and
    variance, not weights: timm has no module for it."""
    inner = getattr(layer, "layers", None)
    if inner is not None:
        return sum(weight_bearing(part) for part in inner)
    return int(bool(layer.weights) and type(layer).__name__ != "Normalization")


def nodes(network: str) -> str:
    """Return one digit a node of the network as the report built it: without its top, for 96 x 96 pixels."""
    import keras

    model = getattr(keras.applications, network)(weights=None, include_top=False, input_shape=(96, 96, 3))
    return "".join(str(weight_bearing(layer)) for layer in model.layers)


def main() -> None:
    """Write the file and print what each network has."""
    found = {name: nodes(network) for name, network in NETWORKS.items()}
    for name, digits in found.items():
        print(name, len(digits), "nodes,", sum(map(int, digits)), "weight-bearing modules")
    TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
