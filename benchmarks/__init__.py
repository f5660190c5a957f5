"""Measurements that can be repeated: `make bench` runs them."""
