# syntax=docker/dockerfile:1
# For @@hosts@@; README.md says why these versions.

FROM @@run_image@@ AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
