"""A cluster's nodes on this machine: what an API server has stored is started as processes.

The API server and the controllers are real; what they need others for is done here. `kuberay` says
which pods an operator would make of a RayService and `operator` makes them, `kubelet` runs pods,
`network` gives them addresses, Services theirs, and both their names.
"""
