"""What an upgrade of the chart will do, said before it is done.

`kuberay` knows which changes of a RayService build another Ray cluster, `groups` and `pools` what
becomes of GPUs and of models, `verdict` of everything that is rendered; `source` brings the two
sides. Nothing here changes anything.
"""
