"""Count, mean and squared deviations of two sets of values, put together.

Chan, Golub & LeVeque 1979: free of the cancellation of sum(x*x) - sum(x)**2/n, which loses every digit at 1e6 ± 1.
"""

from math import inf

Moments = tuple[int, float, float]
"""Of a set of values: how many, their mean, the sum of their squared deviations (infinite where that is no float)."""


def merge_moments(one: Moments, other: Moments) -> Moments:
    """Return the moments of two sets together; neither may be empty.

    >>> merge_moments((2, 1.0, 2.0), (1, 4.0, 0.0))
    (3, 2.0, 8.0)
    """
    (count_one, mean, squares), (count_other, mean_other, squares_other) = one, other
    count = count_one + count_other
    delta = mean_other - mean
    squares += squares_other + delta * delta * count_one * count_other / count
    if -inf < delta * count_other < inf:
        return count, mean + delta * count_other / count, squares
    # 1e308 and -1e308: both are floats, the way from one to the other is none.
    return count, mean / count * count_one + mean_other / count * count_other, squares
