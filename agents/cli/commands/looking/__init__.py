"""Commands that look at a system, and change nothing in it."""
