"""`python -m inference.follower`, which the service starts by itself."""

from inference.follower.watcher import main

main()
