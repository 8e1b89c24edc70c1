"""The service on one machine: a Ray head of its own, the pools, the gateway, one supervisor.

Pure: `head` (Ray's command line and environment), `phases` (what Ray says as a pool's way to
readiness). Acting: `supervisor`, with `ports`, `processes`, `rest`, `state`, `preflight`.
"""
