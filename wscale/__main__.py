"""``python -m wscale``: the command line."""

from wscale.cli.app import main

main()
