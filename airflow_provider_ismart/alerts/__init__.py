"""What callbacks tell people, and what they remember of one another."""
