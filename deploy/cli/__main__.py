"""`python -m deploy.cli` is `bifocal`."""

from deploy.cli import main

main()
