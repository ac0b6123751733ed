"""What MongoDB holds, as files: by day and sensor, exact, with a manifest that balances."""
