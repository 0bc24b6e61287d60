"""What callbacks tell people."""
