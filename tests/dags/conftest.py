"""Airflow makes its home when it is imported; tests give it one of their own."""

import os
import tempfile

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-")
