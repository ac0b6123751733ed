"""Examine whether Weir can run here, and which outages it would survive: one module per system."""
