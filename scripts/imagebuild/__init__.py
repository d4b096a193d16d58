"""Builds multi-layer container images from a Dockerfile without a container engine."""
