"""What became of a graph: what the passes did, what kernels cost, and where results differ."""
