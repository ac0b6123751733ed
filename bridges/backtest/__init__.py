"""Run other settings over recorded readings: backtests, thresholds that keep to a budget, reports."""
