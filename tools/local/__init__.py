"""`make run` and `make smoke`: the platform as processes of this machine."""
