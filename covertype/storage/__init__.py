"""Where the datasets are: a folder on a disk, or a bucket of S3, through one interface.

Every write is whole or absent, a claim has one winner, and locks keep writers apart. This package
is quick to import, as Airflow reads the history whenever it parses the DAGs.
"""

from covertype.storage.store import Store, Unavailable, open_store

__all__ = ["Store", "Unavailable", "open_store"]
