"""`bifocal`: the one command, a verb a file.

A verb reads the command line, calls what does the work and prints what came of it. Whoever starts
a program asks for one verb, so each is loaded only when it is called (`verbs`).
"""

from deploy.cli.main import main

__all__ = ["main"]
