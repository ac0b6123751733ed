"""A choice on the command line whose words are imported when they are needed: not for ``weir --help``."""

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem


class LateChoice(click.ParamType):
    """One of the words that a function returns: what `click.Choice` is for words that are there already.

    Args:
        words: Called when a value is read, completed, or the command's own help is shown.
    """

    name = "choice"

    def __init__(self, words: Callable[[], Iterable[str]]) -> None:
        self._words = words

    @property
    def _choice(self) -> "click.Choice[str]":
        return click.Choice(list(self._words()))

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word, or fail with those there are."""
        return self._choice.convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return the words as the command's help shows them."""
        return self._choice.get_metavar(param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the words that begin so.

        Args:
            ctx, param, incomplete: As for `click.Choice`.
        """
        return self._choice.shell_complete(ctx, param, incomplete)
