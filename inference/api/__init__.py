"""What answers requests over HTTP; imports neither MLflow nor scikit-learn."""
