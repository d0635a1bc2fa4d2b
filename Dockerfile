# A base of your own needs Python 3.11 or newer, as `python`, with venv and pip.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# Wheels alone, each by its hash: nothing is compiled, and nothing else is fetched.
COPY requirements-image.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/alert-receiver \
    && python -m pip --python /opt/alert-receiver install --quiet --no-compile --only-binary :all: \
        --require-hashes -r requirements-image.lock
RUN python -m venv --without-pip /opt/build \
    && python -m pip --python /opt/build install --quiet --no-compile --only-binary :all: \
        --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY receiver receiver
COPY rules rules
# Nobody may write bytecode later, and without it every start would compile everything.
RUN python -m pip --python /opt/build wheel --quiet --no-build-isolation --no-deps --wheel-dir /opt/wheel . \
    && python -m pip --python /opt/alert-receiver install --quiet --no-compile --no-index --no-deps /opt/wheel/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/alert-receiver/lib


FROM ${PYTHON_IMAGE}
COPY --from=build /opt/alert-receiver /opt/alert-receiver
ENV PATH=/opt/alert-receiver/bin:${PATH}
# The base image has no bytecode of the standard library either: what is loaded here gets it, and is seen to work.
# Group 0 is for platforms that choose a user of their own, such as OpenShift.
RUN alert-receiver --version \
    && python -m receiver.healthcheck --help >/dev/null \
    && install -d -o 65532 -g 0 -m 0770 /data
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alert-receiver" \
      org.opencontainers.image.description="Alertmanager's webhook in, readable mail and Slack messages out, every alert accounted for." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/alert-receiver/alert-receiver" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Numbers, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 9095
STOPSIGNAL SIGTERM
# The same as `alert-receiver healthcheck`, without loading the receiver: a tenth of the processor time.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "-m", "receiver.healthcheck"]
ENTRYPOINT ["alert-receiver"]
CMD ["serve", "--config.file=/etc/alert-receiver/alert-receiver.yml", "--web.listen-address=0.0.0.0:9095"]
