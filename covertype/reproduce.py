"""Trains a version again and compares the answers: `make reproduce VERSION=n`.

In containers it runs in one of its own, as it needs as much memory as a training.
"""

import argparse
import logging
import sys

from covertype import jobs
from covertype.registry.reproduction import NotReproducible


def main() -> None:
    """Reproduce a version, and say how equal the answers are; exit with 1 if they are not."""
    parser = argparse.ArgumentParser(prog="python -m covertype.reproduce", description=__doc__)
    parser.add_argument("version", help="the number of the version")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        reproduction = jobs.reproduce(arguments.version)
    except NotReproducible as error:
        sys.exit(str(error))
    print(reproduction)
    sys.exit(0 if reproduction.is_exact else 1)


if __name__ == "__main__":
    main()
