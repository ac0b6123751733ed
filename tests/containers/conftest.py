"""Nothing here is collected by pytest: these programs run beside a stack of containers, by verify.sh."""

collect_ignore_glob = ["*.py"]
