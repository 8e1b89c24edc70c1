"""Model and GPUs to parallel sizes, with a memory proof."""
