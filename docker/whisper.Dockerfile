# syntax=docker/dockerfile:1
# The Whisper service as a container. From the repository's root:
#   docker build -f docker/whisper.Dockerfile -t voicemode-whisper .
#   docker build -f docker/whisper.Dockerfile --build-arg LOCK=docker/whisper-cuda.lock -t voicemode-whisper:cuda .
# How it is run, and why so: docker/compose.yaml.

FROM python:3.13-slim-bookworm AS build
ARG LOCK=voicemode/supervise/locks/whisper.lock
WORKDIR /build
COPY ${LOCK} packages.lock
# Wheels alone, each checked against its hash: no compiler, no build.
RUN python -m venv /opt/voicemode \
    && /opt/voicemode/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: -r packages.lock
COPY services/voicemode_service /opt/voicemode/lib/python3.13/site-packages/voicemode_service
COPY services/voicemode_whisper /opt/voicemode/lib/python3.13/site-packages/voicemode_whisper

FROM python:3.13-slim-bookworm
# A user without name, rights or home, who may read the models and write only uploads to /tmp.
COPY --from=build /opt/voicemode /opt/voicemode
USER 10001:10001
WORKDIR /tmp
# The wheels of CUDA's libraries keep them here; without them the folders are not there, and nothing changes.
ENV LD_LIBRARY_PATH=/opt/voicemode/lib/python3.13/site-packages/nvidia/cu13/lib:/opt/voicemode/lib/python3.13/site-packages/nvidia/cudnn/lib:/opt/voicemode/lib/python3.13/site-packages/nvidia/cublas/lib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VOICEMODE_WHISPER_HOST=0.0.0.0 \
    VOICEMODE_WHISPER_ALLOW_REMOTE=true \
    VOICEMODE_BASE_DIR=/tmp/voicemode \
    VOICEMODE_WHISPER_MODELS_DIR=/models
# A container's own loopback reaches nobody, so it listens for others: it does not start without VOICEMODE_WHISPER_TOKEN.
EXPOSE 2022
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["/opt/voicemode/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:2022/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/voicemode/bin/python", "-m", "voicemode_whisper"]
