"""Changes Production by hand: `make promote VERSION=n` and `make rollback VERSION=n`.

In containers: `docker compose exec airflow-scheduler python -m covertype.production rollback 3`.
"""

import argparse
import getpass
import logging
import sys

from covertype import jobs
from covertype.atomic import Busy
from covertype.jobs.services import NotFollowed
from covertype.registry.manual import NotPossible


def main() -> None:
    """Change Production, wait for the services, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m covertype.production", description=__doc__)
    parser.add_argument("change", choices=["promote", "rollback"])
    parser.add_argument("version", help="the number of the version")
    parser.add_argument("--who", help="for the history; by default the user of this process")
    parser.add_argument("--why", default="", help="the reason, for the history")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    change = jobs.promote_by_hand if arguments.change == "promote" else jobs.roll_back
    try:
        change(arguments.version, arguments.who or getpass.getuser(), arguments.why)
        print(f"Version {arguments.version} is in Production; waiting for the services…")
        replicas = jobs.wait_until_served(arguments.version)
    except (Busy, NotPossible, NotFollowed) as error:
        sys.exit(str(error))
    print(f"It answers at {', '.join(replicas)}")


if __name__ == "__main__":
    main()
