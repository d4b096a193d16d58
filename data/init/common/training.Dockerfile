ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=void \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --link --from=build /opt/venv /opt/venv
COPY --link app /srv/app
WORKDIR /srv
USER 10001:10001
ENTRYPOINT ["python", "-m", "app.train"]
CMD ["--data", "/data", "--out", "/outputs"]
