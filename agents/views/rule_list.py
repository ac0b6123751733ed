"""The rules in force on the worker's web server: what each says, who set it, when and why, and what it was before."""

from functools import partial
from typing import TYPE_CHECKING

from faust.web import Request, Response, View

from agents.web.queries import answer
from agents.web.shared_look import SharedLook
from bridges.process.settings import Settings
from bridges.sources.rule_history import rule_history
from streams.records.rule_records import RulesApplied
from streams.rules.rules_told import rules_told

if TYPE_CHECKING:
    from agents.views.worker_pages import WorkerPages


class RuleWatch:
    """All changes of rules, read from Kafka while somebody asks: by one thread, however many ask.

    Args:
        settings: Where Kafka is.
    """

    def __init__(self, settings: Settings) -> None:
        self._look = SharedLook(partial(rule_history, settings))

    async def changes(self) -> list[RulesApplied]:
        """Return them, in their order.

        Raises:
            NotKnown: If they could not be read, or not within ten seconds.
        """
        return await self._look.known("which rules there are")


async def tell_rules(pages: "WorkerPages", view: View, request: Request) -> Response:
    """Tell the rules in force, as `weir rules list --json` does."""
    changes = await pages.rules.changes()
    return answer(view, rules_told(changes, pages.app.settings.detection.plan()))
