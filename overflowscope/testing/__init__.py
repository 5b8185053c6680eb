"""For tests of one's own: an assertion that a softmax is accurate, and a Hypothesis strategy of logits.

    from overflowscope.testing import assert_accurate, logits

    def test_my_softmax():
        assert_accurate(my_softmax, operation="softmax", dtypes=["float16"], max_ulp=4)

Neither needs pytest; ``logits`` needs the package hypothesis, which is imported when it is called.
"""

from __future__ import annotations

from overflowscope.testing.accuracy import assert_accurate
from overflowscope.testing.strategies import logits

__all__ = ["assert_accurate", "logits"]
