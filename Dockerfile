# The server's image; it holds the collector's program too. Settings come from HANDLEWATCH_* variables.

FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
# There is no npm here, so the build asks PyPI for one; it stays behind in this stage.
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

FROM python:3.13-slim
# A fixed number, so that whoever mounts /data knows whose it has to be.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin handlewatch \
    && install --directory --owner=handlewatch --group=handlewatch --mode=0750 /data
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore /dist/*.whl

# The Windows bundle. Its Python comes from PyPI too; /data is no place for it, since a volume may cover that.
RUN handlewatch downloads build --dir /usr/local/share/handlewatch

ENV HANDLEWATCH_DATA_DIR=/data \
    HANDLEWATCH_DOWNLOADS_DIR=/usr/local/share/handlewatch \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8765
# http.client, because it minds no proxy variables.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8765, timeout=4); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]

ENTRYPOINT ["handlewatch"]
CMD ["serve", "--host", "0.0.0.0"]
