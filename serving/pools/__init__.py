"""The pools: one Ray Serve application per model, and what stands inside each of its replicas.

Pure: `engine` (a model as vLLM's arguments and environment), `patience` (how long a step may take),
`serve_config` (all pools as Serve's declarative text), `weights` (what is to be fetched first),
`reasoning` and `straying` (bytes in, bytes out), and what `pulse` and `start` decide.

Inside a replica: `app` (Serve's application), `server` (the engine), `warmup` and `door`, with

- `children`: the engine's processes, ended with it;
- `failure`: what a replica raises, so that Serve's controller can read it;
- `fetching`: weights, brought to each of its nodes;
- `gauges`: what the engine said of its load, which `load` hears and `door` tells;
- `logs`: Serve's log, kept while vLLM sets up its own;
- `neighbours`: whether the other nodes of an engine are there;
- `started`: where its start went, which `door` adds to its page of metrics.

In its engine's processes: `forkserver`, `preloaded`, `following`. In all of vLLM's, the replica's
own among them: `sharding`, `blanks` (few in a row in JSON that must come), `counting` (thinking in
a stream is not counted anew with each token), and `turning` (none turns on the spot while it waits
for another). In Serve's controller: `gangs` (a data-parallel replica that is replaced answers out).
"""
