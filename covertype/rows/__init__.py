"""What a valid row is: one rule for an observation, and its readers for values, JSON and CSV.

`observations` decides, and reports violations as facts. The other readers accept the usual forms
of a valid row quickly, and leave all other rows to it.
"""
