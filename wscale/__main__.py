"""``python -m wscale``: the command line."""

from wscale.cli import main

main()
