"""Metrics and benchmarks: what people who run Bifocal look at. It observes `serving`, never steers it."""
