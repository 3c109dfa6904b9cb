"""Models as files: writing them, and reading them with trusted types only."""
