"""Networks that irflow and its peers run beside each other: see `bench_networks.py`."""
