"""What flows through Weir and what it means: pure code, no I/O, no clock, no environment."""
