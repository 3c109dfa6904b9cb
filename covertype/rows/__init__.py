"""What a valid row is: one rule for an observation, and its readers for values, JSON and CSV.

`observations` decides, and words nothing: it gives violations as facts. Every other reader accepts
quickly what is right at first sight, and leaves the rest to it.
"""
