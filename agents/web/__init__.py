"""What the web servers of both applications share: parameters, answers, readiness, the other workers."""
