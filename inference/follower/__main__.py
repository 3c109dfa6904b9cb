"""`python -m inference.follower`; the service starts it."""

from inference.follower.watcher import main

main()
