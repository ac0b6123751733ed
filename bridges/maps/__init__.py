"""Maps on disk and on a broker: the built-in ones, those of a folder, and what a broker's topics would need."""
