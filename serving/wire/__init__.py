"""OpenAI's shapes and server-sent events, without I/O: bytes and plain values in and out.

What is not an allowed field is refused here; which model answers, and how, is the router's.
"""
