"""The real shards of a layout on one GPU, measured beside what the roofline predicts.

python -m ops.bench.shards --gpu h100-80g [--json]

    shapes   pure: what one rank of the 235B multiplies, for prefill and decode, and the prediction
    kernels  torch: the same shapes with random weights
    timing   CUDA events around a captured graph; a clock on a CPU
    report   prediction beside measurement

One GPU is enough: a rank's work does not depend on the others'. Not measured: what goes over links.
"""
