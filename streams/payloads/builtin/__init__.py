"""The maps that Weir brings: one TOML file for each ecosystem."""
