ENV PATH=@@environment@@/bin:$PATH \
    PYTHONUNBUFFERED=1 \
@@if nvidia@@
    NVIDIA_VISIBLE_DEVICES=void \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
@@end@@
    MODEL_PATH=/models/model.safetensors
COPY --link --from=build @@environment@@ @@environment@@
COPY --link app /srv/app
WORKDIR /srv
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=3m --retries=3 CMD ["python", "-m", "app.health"]
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
