"""What was set aside: looked at, and sent through again once a map, a setting or a device is mended."""
