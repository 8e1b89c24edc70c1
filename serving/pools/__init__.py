"""The pools: one Ray Serve application per model, and what stands inside each of its replicas.

Pure: `engine` (a model as vLLM's arguments and environment), `serve_config` (all pools as Serve's
declarative text), `reasoning` and `straying` (bytes in, bytes out). Inside a replica: `app`,
`server`, `warmup`, `door`, `load`. Only `app`, `server`, `warmup` and `load` import ray or vllm.
"""
