"""The inference service: answers with the model in Production, and follows it as it changes."""
