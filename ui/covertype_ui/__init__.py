"""The app for people: what they see, what it asks of the services, and its words."""
