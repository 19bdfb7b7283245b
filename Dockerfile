# SPDX-License-Identifier: MIT
# Node Vigil in place of the official slim image: docs/container.md.
#
#   docker build -t node-vigil .
#
# BASE, BUILD_BASE  what the two stages begin with: Debian 12, or newer
# PACKAGE           the name of a folder in dist/ to take instead of a build
# REVISION          the commit, for the label
ARG BASE=debian:bookworm-slim
ARG BUILD_BASE=debian:bookworm

FROM ${BUILD_BASE} AS build
ARG PACKAGE=
WORKDIR /vigil
COPY . .
# The cache makes the next build a matter of minutes.
RUN --mount=type=cache,target=/root/.cache/vigil \
    [ -n "$PACKAGE" ] || { rm -rf dist && ./build.sh; } \
 && deps/image/layout.sh "${PACKAGE:-}" /out

FROM ${BASE}
ARG BASE REVISION=
RUN groupadd --gid 1000 node \
 && useradd --uid 1000 --gid node --shell /bin/bash --create-home node \
 # Incidents of any user: OpenShift picks one. Sticky, as /tmp is.
 && install -d -m 1777 /var/lib/vigil
COPY --from=build /out/ /
ENV NODE_VERSION=24.21.0 YARN_VERSION=1.22.22
# A directory inside, made by the process: a mounted volume may be for everybody.
ENV VIGIL_DIR=/var/lib/vigil/incidents VIGIL_SIGNAL=SIGUSR2
RUN node --version && npm --version && yarn --version && rm -rf /tmp/*
LABEL org.opencontainers.image.title="Node Vigil" \
      org.opencontainers.image.description="Node.js that keeps watch on its own event loop" \
      org.opencontainers.image.version="24.21.0-vigil.1" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.licenses="MIT"
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node"]
