# syntax=docker/dockerfile:1
# The bridge in a container: the binary, CA certificates and the shipped mapping files.
#
#   docker build -t scimbridge .
#   docker run -v ./scimbridge.toml:/etc/scimbridge/scimbridge.toml:ro -v scimbridge:/var/lib/scimbridge \
#       -e ACME_SCIM_TOKEN -p 8080:8080 scimbridge

# A C compiler is all that the build needs beside Rust, and this image has one.
FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
# What has been downloaded and compiled stays between builds, so that a change of the bridge's own
# code compiles that alone. A cache is no part of the image: the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin scimbridge \
    && install -D target/release/scimbridge /out/scimbridge \
    && mkdir /state

FROM gcr.io/distroless/cc-debian12
COPY --from=build /out/scimbridge /usr/local/bin/scimbridge
COPY mappings /usr/share/scimbridge/mappings
# An empty volume takes its owner from the folder it is mounted on.
COPY --from=build --chown=10001:10001 /state /var/lib/scimbridge
VOLUME /var/lib/scimbridge
WORKDIR /usr/share/scimbridge

# These win over the configuration file, which speaks of loopback addresses and a local folder.
ENV SCIMBRIDGE_LISTEN__SCIM=0.0.0.0:8080 \
    SCIMBRIDGE_LISTEN__ADMIN=0.0.0.0:8081 \
    SCIMBRIDGE_STORE__URL=sqlite:/var/lib/scimbridge/scimbridge.db

USER 10001:10001
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s \
    CMD ["/usr/local/bin/scimbridge", "health", "http://127.0.0.1:8081/readyz"]
ENTRYPOINT ["/usr/local/bin/scimbridge"]
CMD ["serve", "--config", "/etc/scimbridge/scimbridge.toml"]
