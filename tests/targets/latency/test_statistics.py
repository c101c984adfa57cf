import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockfront.targets.latency.statistics import median_interval


def test_ten_samples_give_the_second_smallest_and_second_largest():
    # P(Binomial(10, 1/2) <= 1) = 11/1024, so ranks 2 and 9 cover with 97.9 %; ranks 3 and 8 with 89.1 % only.
    assert median_interval([5, 1, 9, 3, 7, 2, 8, 4, 10, 6]) == (2, 9)


def test_few_samples_give_their_whole_range():
    assert median_interval([3.0]) == (3.0, 3.0)
    assert median_interval([4, 1, 2, 3, 5]) == (1, 5)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="no samples"):
        median_interval([])


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=60))
def test_the_interval_holds_the_median(samples):
    low, high = median_interval(samples)
    assert low <= median(samples) <= high


def test_the_interval_covers_the_true_median_as_often_as_it_says():
    rng = random.Random(0)
    trials, covered = 2000, 0
    for _ in range(trials):
        low, high = median_interval([rng.expovariate(1.0) for _ in range(25)])
        covered += low <= 0.6931471805599453 <= high
    assert 0.94 <= covered / trials <= 0.98
