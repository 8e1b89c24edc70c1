"""What the Helm chart `helm/bifocal` takes from our code: the schema of its values, their defaults,
and the table of layouts. `python -m deploy.chart` writes them; a test keeps them equal. What is
rendered from them is the templates' to say, and `serving.pools.serve_config` is what it must equal.
"""
