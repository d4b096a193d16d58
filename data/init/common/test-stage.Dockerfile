FROM dev AS test
COPY --link pytest.ini /srv/
COPY --link app /srv/app
COPY --link tests /srv/tests
RUN python -m pytest -q

FROM @@run_image@@
LABEL org.opencontainers.image.title="@@project@@" \
@@labels@@
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-log-init --create-home app
