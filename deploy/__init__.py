"""What a person runs: the command, the cluster on one machine, the pocket models, the gateway.

It joins the other packages (`deploy.app`) and nobody imports it.
"""
