"""Metrics and benchmarks: what people who run Bifocal look at.

It observes `serving` and never steers it.
"""
