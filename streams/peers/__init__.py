"""Series that are measured beside each other: each is compared with the median of the others of its group.

    readings ─▶ windows ─▶ peer-inputs (by group) ─▶ windows of the group ─▶ residuals ─▶ a model each ─▶ anomalies

One of twelve rooms that is off by one degree is well within what its own history allows; beside the others it is not.
What all do together, the weather or a heating, is in no residual. Likewise a quantity is compared with what follows
from others of its sensor.
"""
