"""`make up`, `make secrets`, `make doctor` and the keeper: the platform in containers.

These modules import only the standard library and `covertype.atomic`: a server needs nothing more
than Docker, Python and make.
"""
