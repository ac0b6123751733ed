"""What every process of Weir has: settings, logs, metrics, files written whole."""
