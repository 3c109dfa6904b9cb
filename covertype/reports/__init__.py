"""Pages that people read beside a run: one HTML file each, which needs nothing else."""
