"""TailWatch, Weir's default detector."""
