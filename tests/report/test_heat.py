"""The figures of two networks compared by their heat maps."""

from __future__ import annotations

from itertools import combinations

import attrs
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cellcls.report import heat, style
from cellcls.report.read import read_run


def test_the_advised_layer_is_named_among_many(run):
    record = read_run(run).depths["depth"]
    with style.drawing():
        labels = heat.depths(record).axes[1].get_xticklabels()
    texts = [label.get_text() for label in labels]
    assert "blocks.4.0" in texts
    assert len(texts) <= heat.MOST_LABELS
    never = attrs.evolve(record, advised=None, lasting=None)
    with style.drawing():
        assert heat.depths(never).axes[0].get_title(loc="left") == "the maps never differ"


def test_no_text_beside_the_maps_runs_over_another(run):
    record = read_run(run)
    long = attrs.evolve(record.depths["depth"], names=("a_run_of_a_long_name_1", "a_run_of_a_long_name_2"))
    with style.drawing():
        figure = heat.pairs(long, record.map_pairs["depth"], ["a_class_of_a_very_long_name_indeed"] * 8)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 8
