"""`bifocal bundle`: what whoever helps needs to see, in one archive, without prompts and secrets.

`scrub` says what may stand in it; `archive` bounds, lists and writes it; `here`, `service` and
`cluster` gather from this machine, from a gateway over HTTP, and from Kubernetes.
"""
