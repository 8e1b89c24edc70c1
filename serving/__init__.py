"""From a client's bytes to a token: wire shapes, routing, thinking, admission, gateway, pools.

Nothing here knows who installs or watches it: what happens is told to an `Observer`, and every
object is handed in by the composition root in `deploy`.
"""
