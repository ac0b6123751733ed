"""The simulator: sensors that are made up or recorded, published over MQTT with ground truth."""
