"""A model version on disk: writing it, proving it, and predicting with it."""
