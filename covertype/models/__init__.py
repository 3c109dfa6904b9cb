"""Models as files: written, read with only trusted types, and asked."""
