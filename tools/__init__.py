"""What people run around the platform; no service imports it."""
