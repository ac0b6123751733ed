"""Hand a batch through Faust as it is."""

import faust
from faust.types import AppT, Message

from agents.lane.core.batch import Batch


class BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Decoding is the batch's own business, and never raises here."""

    def loads_key(
        self, app: AppT, message: Message, *, loads: object = None, serializer: object = None
    ) -> None:
        """Return no key: a batch holds many."""
        return None

    def loads_value(
        self, app: AppT, message: Message, *, loads: object = None, serializer: object = None
    ) -> Batch:
        """Return the message's value, which the lane's consumer has made a `Batch`."""
        value: Batch = message.value  # type: ignore[assignment]
        return value
