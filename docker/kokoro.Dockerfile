# syntax=docker/dockerfile:1
# The Kokoro service as a container. From the repository's root:
#   docker build -f docker/kokoro.Dockerfile -t voicemode-kokoro .
#   docker build -f docker/kokoro.Dockerfile --build-arg LOCK=docker/kokoro-cuda.lock -t voicemode-kokoro:cuda .
# How it is run, and why so: docker/compose.yaml.

FROM python:3.13-slim-bookworm AS build
ARG LOCK=voicemode/supervise/locks/kokoro.lock
WORKDIR /build
COPY ${LOCK} packages.lock
# Wheels alone, each checked against its hash: no compiler, no build.
RUN python -m venv /opt/voicemode \
    && /opt/voicemode/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: -r packages.lock
COPY services/voicemode_service /opt/voicemode/lib/python3.13/site-packages/voicemode_service
COPY services/voicemode_kokoro /opt/voicemode/lib/python3.13/site-packages/voicemode_kokoro

FROM python:3.13-slim-bookworm
# A user without name, rights or home, who may read the models and write only uploads to /tmp.
COPY --from=build /opt/voicemode /opt/voicemode
USER 10001:10001
WORKDIR /tmp
# The wheels of CUDA's libraries keep them here; without them the folders are not there, and nothing changes.
ENV LD_LIBRARY_PATH=/opt/voicemode/lib/python3.13/site-packages/nvidia/cu13/lib:/opt/voicemode/lib/python3.13/site-packages/nvidia/cudnn/lib:/opt/voicemode/lib/python3.13/site-packages/nvidia/cublas/lib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VOICEMODE_KOKORO_HOST=0.0.0.0 \
    VOICEMODE_KOKORO_ALLOW_REMOTE=true \
    VOICEMODE_BASE_DIR=/tmp/voicemode \
    VOICEMODE_KOKORO_MODELS_DIR=/models
# A container's own loopback reaches nobody, so it listens for others: it does not start without VOICEMODE_KOKORO_TOKEN.
EXPOSE 8880
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["/opt/voicemode/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8880/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/voicemode/bin/python", "-m", "voicemode_kokoro"]
