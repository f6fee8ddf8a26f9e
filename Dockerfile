# The daemon: a static binary without a shell, run by nobody, on a file system that is not written to.
# Data (hashes of API tokens) go to /data, which is a volume or a folder that user 65532 owns.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake make gcc libc6-dev musl-tools \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN case "$(uname -m)" in aarch64) target=aarch64-unknown-linux-musl ;; *) target=x86_64-unknown-linux-musl ;; esac \
    && rustup target add "$target" \
    && cargo build --locked --release --package nightbell --features aws --target "$target" \
    && install -D "target/$target/release/nightbell" /out/nightbell \
    && mkdir -p /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/nightbell /usr/bin/nightbell
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV NIGHTBELL_DATA=/data
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK NONE
ENTRYPOINT ["/usr/bin/nightbell"]
CMD ["serve", "--health", "0.0.0.0:5000", "--listen", "127.0.0.1:5001"]
