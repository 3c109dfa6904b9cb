"""A version as the service keeps it on disk, proves it and asks it."""
