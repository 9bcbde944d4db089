"""When two runs are equal: what plugin authors' tests use too."""

from cellcls.testing import assert_equal_runs, without_times

__all__ = ["assert_equal_runs", "without_times"]
