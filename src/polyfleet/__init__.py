"""Polyfleet: fleets of devices run from Kubernetes. One fleet, many dialects."""
