"""The registry of devices: what people call a sensor, where it is, what it belongs to."""
