"""What the daemon counts, where the numbers are kept, and how Prometheus gets to see them."""
