"""From the data API to the processed rows."""
