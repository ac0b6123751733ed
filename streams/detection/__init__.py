"""Detection: scores become verdicts, verdicts become anomalies, one model for each series."""
