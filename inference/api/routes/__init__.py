"""The routes of the service, grouped by purpose."""
