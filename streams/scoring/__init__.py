"""Score detectors on labelled series: events found, false alarms, delay, and thresholds chosen on what is left out."""
