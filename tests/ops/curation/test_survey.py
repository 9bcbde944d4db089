from __future__ import annotations

import numpy as np

from cellcls.ops.curation.image_statistics import STATISTICS
from cellcls.ops.curation.survey import survey
from cellcls.ops.storage.hashing import content_hash

IMAGES = np.random.default_rng(0).integers(0, 256, (130, 8, 8, 3), dtype=np.uint8)


def test_one_pass_tells_everything_in_order():
    done: list[int] = []
    found = survey(IMAGES.__getitem__, len(IMAGES), done.append)
    assert found.hashes == tuple(map(content_hash, IMAGES))
    assert len(found.prints) == 130
    assert found.statistics.shape == (130, len(STATISTICS))
    assert done[-1] == 130


def test_known_hashes_are_taken_over():
    known = [f"{number:032x}" for number in range(130)]
    found = survey(IMAGES.__getitem__, len(IMAGES), hashes=known)
    assert found.hashes == tuple(known)
    assert len(found.prints) == 130


def test_nothing_to_survey():
    found = survey(IMAGES.__getitem__, 0)
    assert (found.hashes, len(found.prints), found.statistics.shape) == ((), 0, (0, len(STATISTICS)))
