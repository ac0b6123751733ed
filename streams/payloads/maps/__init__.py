"""Maps: how messages of any device become readings, told by TOML files instead of code."""
