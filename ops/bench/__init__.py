"""`bifocal bench`: what the gateway costs, side by side, in one run, with one load generator.

    values, rounds     pure: what is measured, in which order, and what follows from it
    answer             pure: whether all of an answer came
    loadgen            the load, a process of its own
    mock, passthrough  an upstream that answers at once, and the least that a gateway could do
    contenders         how each is started and asked
    processes          started and ended by id, and their CPU seconds by role
    measure            one contender under one load
    bench              one run: contenders up, rounds, contenders down
    report, plot       the table, the JSON, the picture
    start              apart from these: a pool's cold start beside Ray's own
    watched, watcher   apart from these: what a Prometheus that watches costs those it watches
    shards             apart from these: a rank of a layout on a GPU, beside its prediction

It knows no command of the product: `deploy` hands those in.
"""
