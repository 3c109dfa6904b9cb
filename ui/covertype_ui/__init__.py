"""The app: its pages, its clients of the services, and its texts."""
