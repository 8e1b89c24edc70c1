"""The pools: one Ray Serve application per model, and what stands inside each of its replicas.

Pure: `engine` (a model as vLLM's arguments and environment), `patience` (how long a step may take),
`serve_config` (all pools as Serve's declarative text), `weights` (what is to be fetched first),
`reasoning` and `straying` (bytes in, bytes out), and what `pulse` and `start` decide. Inside a
replica: `app`, `fetching`, `server`, `warmup`, `door`, `load`. In its engine's processes:
`forkserver`, `preloaded`, `following`, `sharding`.
"""
