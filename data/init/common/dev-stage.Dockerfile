RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \
    pip install --requirement /tmp/requirements.txt

# What developers and tests need besides; nothing of it is shipped.
FROM build AS dev
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=bind,source=requirements-dev.txt,target=/tmp/requirements-dev.txt \
    pip install --requirement /tmp/requirements-dev.txt
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-log-init --create-home app
WORKDIR /srv
USER 10001:10001

