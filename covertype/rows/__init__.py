"""What a valid row is, and rows as small integers."""
