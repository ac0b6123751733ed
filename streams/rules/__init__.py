"""What limits would have done: the very stages of the worker over recorded readings, counted rule by rule.

rule_set.py       the rules of a file, and which series each takes
seen.py           what was read of each series
limit_trial.py    limits and alarms at work, and what came of them
remarks.py        what somebody should know before the rules are saved
rules_report.py   all of it as plain values
"""
