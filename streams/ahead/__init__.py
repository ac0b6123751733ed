"""How far a series will go within some hours, by what it has done."""
