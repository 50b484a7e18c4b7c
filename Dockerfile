# syntax=docker/dockerfile:1
# Three images of one build. `slim`: watcher, receiver, search page, Dagster's UI and daemon. `worker`: what opens files (code server and
# workers), with LibreOffice, ffmpeg and fonts. `embeddings`: a worker with PyTorch for the CPU, for who sets IBHELM_EMBEDDING_MODEL; the
# default model `light` needs none of it. No secret is an argument or a layer of a build: they come as files when a container starts.
#
# Base images are pinned by their tag: where this was written no registry could be asked for digests. `docker buildx imagetools inspect IMAGE`
# says the digest of today; put it behind the tag (python:3.11-slim-bookworm@sha256:...) where builds must be the same for ever.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ------------------------------------------------------------------ what is installed, without what installs it
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/ibhelm
ENV PATH=/opt/ibhelm/bin:$PATH
# The libraries first: this layer stays while only our own code changes.
COPY pyproject.toml constraints.txt deploy/requirements.py ./
RUN python requirements.py pyproject.toml docker kubernetes sentry > requirements.txt \
    && pip install --constraint constraints.txt --upgrade pip \
    && pip install --constraint constraints.txt --requirement requirements.txt "hatchling>=1.27,<2"
COPY README.md LICENSE dagster.yaml workspace.yaml ./
COPY ibhelm_pipelines ibhelm_pipelines
COPY assets assets
COPY resources resources
COPY sensors sensors
COPY sql sql
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hatchling

FROM build AS build-embeddings
# PyTorch's own index for CPU wheels (its installation page names it): without it pip takes the build for NVIDIA cards, several GB more.
ARG TORCH_INDEX=""
RUN python requirements.py --only pyproject.toml embeddings > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

# ------------------------------------------------------------------ slim
FROM ${PYTHON_IMAGE} AS slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="IBHelm Pipelines" \
      org.opencontainers.image.description="One truth for an engineering office: NAS files, Teamwork and Missive in Postgres and S3" \
      org.opencontainers.image.licenses="AGPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A fixed number, for the owners of volumes and secrets; compose may run it as another one (IBHELM_UID), so nothing below belongs to it alone.
RUN groupadd --gid 10001 ibhelm \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/ibhelm --no-create-home --shell /usr/sbin/nologin ibhelm \
    && install -d -o 10001 -g 10001 -m 0711 /var/lib/ibhelm /var/log/ibhelm-runs
COPY --from=build /opt/ibhelm /opt/ibhelm
# The root file system may be read-only: nothing is written but below /var/lib/ibhelm and /tmp.
ENV PATH=/opt/ibhelm/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LC_ALL=C.UTF-8 \
    HOME=/tmp \
    IBHELM_STATE_DIR=/var/lib/ibhelm
WORKDIR /var/lib/ibhelm
USER 10001:10001
STOPSIGNAL SIGTERM
# Finds out which of our processes runs here, and asks it.
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 CMD ["ibhelm", "health"]
ENTRYPOINT ["ibhelm"]
CMD ["--help"]

# ------------------------------------------------------------------ worker
FROM slim AS worker
# The default shell and root are for this one layer.
# hadolint ignore=DL3002
USER 0:0
# Debian keeps one version of each package, so a pinned one is gone after the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
       libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui libreoffice-draw-nogui \
       ffmpeg fontconfig fonts-liberation fonts-dejavu-core fonts-noto-core fonts-crosextra-carlito fonts-crosextra-caladea \
    && fc-cache --system-only --force \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
USER 10001:10001

# ------------------------------------------------------------------ embeddings
FROM worker AS embeddings
COPY --from=build-embeddings /opt/ibhelm /opt/ibhelm

# `docker build .` without --target is the one that can do everything the default settings ask for.
FROM worker AS final
