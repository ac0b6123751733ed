"""Numbers of things, as a sentence has them."""


def some(count: int, what: str) -> str:
    """Return a number with its noun.

    Args:
        count: How many.
        what: The noun for one, whose plural has an s.

    >>> some(1, "rule"), some(1200, "rule")
    ('1 rule', '1,200 rules')
    """
    return f"{count:,} {what}" + ("" if count == 1 else "s")
