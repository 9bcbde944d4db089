"""Two networks compared depth by depth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellcls.engine.depth import share_before, similarity
from cellcls.ops.freezing import Depth
from cellcls.registry import load_registry

RECIPE = """
[[stages]]
name = "head"
epochs = 1
freeze = "backbone"
[[stages]]
name = "finetune"
epochs = 1
optimizer = { use = "adam", lr = 1e-2 }
[[explain]]
use = "grad_cam"
name = "depth"
compare = ["head", "finetune"]
images = 4
"""


def test_a_run_compares_its_stages(make_job, execute):
    job = make_job(RECIPE, rehearse=True)
    execute(job)
    record = json.loads((job.folder.path / "explain" / "depth.json").read_text())
    assert record["names"] == ["head", "finetune"]
    assert [one["layer"] for one in record["depths"]] == ["blocks.0.relu", "blocks.1.relu"]
    assert record["depths"][0]["frozen_share"] == 0
    figures = json.loads(job.folder.metrics.read_text())["explanations"]["depth"]
    assert figures["frozen_share"] == record["frozen_share"]
    for stage in ("head", "finetune"):
        assert np.load(job.folder.array("explain", f"depth-{stage}"))["maps"].shape == (2, 32, 32)


BACKBONES = {name: f'use = "{name}"' for name in load_registry().names("backbone") if name != "timm"}
BACKBONES |= {model: f'use = "timm"\nmodel = "{model}"' for model in ("tf_mobilenetv3_small_100", "test_vit")}


def test_every_shipped_backbone_and_a_vit_are_compared():
    assert {"cnn5", "efficientnet_lite0", "test_vit"} <= BACKBONES.keys()


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES)
def test_depths_of_every_shipped_backbone(make_job, execute, backbone: str):
    job = make_job(RECIPE, tiny=f"seed = 1\n[input]\nsize = 64\n[backbone]\n{backbone}\n", rehearse=True)
    execute(job)
    record = json.loads((job.folder.path / "explain" / "depth.json").read_text())
    assert len(record["depths"]) >= 2
    shares = [one["frozen_share"] for one in record["depths"]]
    assert shares == sorted(shares)
    assert all(np.isfinite([one["similarity"], *one["heat_inside"]]).all() for one in record["depths"])


maps = arrays(np.float32, (3, 4, 4), elements=st.floats(0, 1, width=32))


@given(maps)
def test_a_map_is_like_itself(one):
    assert similarity(one, one) == pytest.approx(1, abs=1e-3)


@given(maps, maps)
def test_similarity_is_symmetric_and_bounded(one, other):
    assert similarity(one, other) == pytest.approx(similarity(other, one), abs=1e-4)
    assert -1.001 <= similarity(one, other) <= 1.001


def test_the_share_before_a_layer():
    depth = Depth(
        weighted=("stem", "blocks.0.conv", "blocks.1.conv"),
        parameters={"stem": 1, "blocks.0.conv": 3, "blocks.1.conv": 6},
    )
    assert [share_before(depth, layer) for layer in ("stem", "blocks.0.relu", "blocks.1")] == [0, 0.1, 0.4]
