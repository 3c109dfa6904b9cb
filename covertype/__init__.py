"""The domain of the platform: what an observation is, and the life of a model made from it."""
