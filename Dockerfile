# syntax=docker/dockerfile:1
# The images of asr: docker build --target gateway|allocator|worker|flower|cli .
# The monitor is the allocator's image with another command. A worker for NVIDIA GPUs:
#   docker build --target worker --build-arg ACCELERATOR=cuda --tag asr-worker-cuda .
ARG PYTHON=3.12
ARG DEBIAN=bookworm

# --- A wheel of this project, and a virtual environment for each kind of process -----------------
FROM python:${PYTHON}-slim-${DEBIAN} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
RUN pip install --root-user-action=ignore "build==1.3.0"
COPY pyproject.toml README.md celeryconfig.py ./
COPY asr_tasks asr_tasks
COPY gateway gateway
COPY allocator allocator
COPY asr_cli asr_cli
COPY models/english/english.nemo models/english/english.nemo
RUN python -m build --wheel --outdir /wheels

FROM build AS build-gateway
RUN python -m venv /venv && /venv/bin/pip install "$(ls /wheels/*.whl)[gateway,media]"

FROM build AS build-allocator
RUN python -m venv /venv && /venv/bin/pip install "$(ls /wheels/*.whl)[allocator]"

FROM build AS build-flower
RUN python -m venv /venv && /venv/bin/pip install "$(ls /wheels/*.whl)[worker]"

FROM build AS build-cli
RUN python -m venv /venv && /venv/bin/pip install "$(ls /wheels/*.whl)[cli,gateway,allocator,worker,media]"

FROM build AS build-worker
ARG ACCELERATOR=cpu
# PyTorch's index of CPU builds. Empty: pip's own, whose builds for x86 bring gigabytes of CUDA along.
ARG TORCH_INDEX=
# torch before NeMo, which would be content with any. The compiler stays behind in this stage, so that
# its version is nobody's concern.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /venv \
    && case "$ACCELERATOR" in \
         cpu) /venv/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch==2.13.0" ;; \
         cuda) /venv/bin/pip install "torch==2.13.0" ;; \
         *) echo "ACCELERATOR is cpu or cuda" >&2; exit 1 ;; \
       esac \
    && /venv/bin/pip install "$(ls /wheels/*.whl)[worker,nemo,media]"

# --- What all images run in: a Python, a user without rights, no compiler --------------------------
FROM python:${PYTHON}-slim-${DEBIAN} AS runtime
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
RUN groupadd --system --gid 10001 asr \
    && useradd --system --uid 10001 --gid asr --home-dir /tmp --no-create-home --shell /usr/sbin/nologin asr \
    && install --directory --owner asr --group asr /uploads
WORKDIR /tmp
USER 10001:10001

FROM runtime AS gateway
COPY --from=build-gateway /venv /venv
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["python", "-m", "gateway"]

FROM runtime AS allocator
COPY --from=build-allocator /venv /venv
EXPOSE 50051 8081 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8081/healthz', timeout=4)"]
CMD ["python", "-m", "allocator", "server"]

FROM runtime AS flower
COPY --from=build-flower /venv /venv
EXPOSE 5555
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5555/healthcheck', timeout=4)"]
CMD ["celery", "-A", "asr_tasks", "flower"]

FROM runtime AS cli
COPY --from=build-cli /venv /venv
HEALTHCHECK NONE
ENTRYPOINT ["asr"]

FROM runtime AS worker
COPY --from=build-worker /venv /venv
# Caches of numba and matplotlib, which NeMo imports, on the one folder that may be written.
ENV NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib HF_HOME=/tmp/hub
EXPOSE 8083
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8083/healthz', timeout=4)"]
CMD ["python", "-m", "asr_tasks.worker"]
