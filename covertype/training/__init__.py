"""From processed rows to fitted and evaluated candidates; knows no MLflow."""
