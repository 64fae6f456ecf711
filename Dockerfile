# SPDX-License-Identifier: Apache-2.0
# stair: two stages, so that the image holds the binary and its libraries and no compiler.
# BASE must be a Debian 12: the libraries' versions are part of what is tested.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
# The list of packages is the Makefile's own; this layer stays until it changes.
COPY Makefile ./
COPY tests/support/deps.sh tests/support/
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends make gcc libc6-dev ca-certificates \
 && make deps-build
COPY . .
RUN make -j"$(nproc)" all && strip build/release/stair && build/release/stair --version

FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libmicrohttpd12 libjansson4 liblmdb0 libxxhash0 libopenblas0-pthread liblapacke libgomp1 libgnutls30 libsystemd0 libutf8proc2 libcurl3-gnutls libnats3.4 zlib1g libstdc++6 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt \
 && groupadd --gid 10001 stair \
 && useradd --uid 10001 --gid stair --no-create-home --home-dir /data --shell /usr/sbin/nologin stair \
 && install -d -o stair -g stair -m 0700 /data
COPY --from=build /src/build/release/stair /usr/local/bin/stair
COPY --from=build /src/deploy/stair.conf.example /usr/share/doc/stair/stair.conf.example
USER 10001:10001
VOLUME /data
EXPOSE 8080
# Loopback inside the container by default: to listen on 0.0.0.0, give a keys file (docs/operations.md).
ENV STAIR_STORE=/data STAIR_LISTEN=127.0.0.1:8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["stair", "ping"]
ENTRYPOINT ["stair"]
CMD ["serve"]
