# Polyfleet's image: `docker build -t polyfleet .`
#
# What is in it is described by image/build-root.sh, which local/product_image.py runs too, where
# there is no Docker. The base is only what that script runs in; nothing of it is in the image.
FROM debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716 AS build
RUN apt-get update && apt-get install --yes --no-install-recommends mmdebstrap python3-pip
WORKDIR /polyfleet
COPY requirements.lock .
RUN awk '/^[^ #]/ {wanted = /^uv==/} wanted' requirements.lock > /tmp/uv.lock \
    && python3 -m pip install --break-system-packages --no-cache-dir --require-hashes -r /tmp/uv.lock
COPY image image
COPY src/polyfleet/__init__.py src/polyfleet/py.typed src/polyfleet/
COPY crds crds
COPY fleet fleet
COPY kube kube
COPY operator operator
COPY api api
COPY cli cli
COPY simulator simulator
RUN image/build-root.sh /image

FROM scratch
COPY --from=build /image /
# These are the settings of image/settings.json; a test compares them.
USER 65532:65532
WORKDIR /var/lib/polyfleet
ENV LANG="C.UTF-8" \
    PATH="/usr/local/bin:/usr/bin" \
    POLYFLEET_HOST="0.0.0.0" \
    POLYFLEET_PORT="8080" \
    PYTHONDONTWRITEBYTECODE="1" \
    PYTHONUNBUFFERED="1" \
    SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt"
LABEL org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.title="Polyfleet"
EXPOSE 8080
# Of the facade, which is what runs by default; Kubernetes has probes of its own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"POLYFLEET_PORT\"]}/healthz', timeout=4)"]
CMD ["python", "-m", "polyfleet.api"]
