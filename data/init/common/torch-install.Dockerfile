# PyTorch alone: its layer is by far the largest and changes least often.
ARG TORCH_VERSION=@@TORCH_VERSION@@
ARG TORCH_INDEX=@@TORCH_INDEX@@
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    pip install --index-url "${TORCH_INDEX}" "torch==${TORCH_VERSION}"
