"""What a person runs: the command, the cluster on one machine, the pocket models, the composition root."""
